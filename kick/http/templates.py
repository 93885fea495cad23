"""Pages from Jinja2 templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kick.errors import KickError, MissingExtra


class NoSuchFolder(KickError):
    """`templates=` names a folder that is not there."""

    code = "templates-folder"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            cause=f"bootstrap(templates={str(folder)!r}): there is no such folder.",
            fix='Name a folder that is there, from the code: `templates=Path(__file__).parent / "templates"`.',
        )


class JinjaTemplates:
    """Renders the templates of a folder; what they show is escaped for HTML."""

    def __init__(self, folder: Path) -> None:
        try:
            import jinja2
        except ModuleNotFoundError:
            raise MissingExtra("bootstrap(templates=...)", "jinja2", "templates") from None
        if not folder.is_dir():
            raise NoSuchFolder(folder)
        self._environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=True)

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The page of a template."""
        return self._environment.get_template(template).render(values)

    def add_functions(self, functions: Mapping[str, Callable[[Mapping[str, Any]], Any]]) -> None:
        """Let all templates call these; each is given the values of the page."""
        from jinja2 import pass_context

        self._environment.globals.update({name: pass_context(function) for name, function in functions.items()})

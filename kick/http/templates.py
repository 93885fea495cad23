"""Pages from Jinja2 templates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from kick.errors import KickError, missing_extra, similar
from kick.http.context.context import RequestContext


class JinjaTemplates:
    """Renders the Jinja2 templates of a folder. Values are escaped for HTML in all of them.

    A template can use the values of `ctx.render(name, **values)`, `ctx`, `url_for`, and what is added here.

    Arguments:
        folder: the folder of the templates.
        globals: values and functions for all templates, also for macros in other files.
        filters: functions for `{{ value | name }}`.
        context: functions that are called with the context of each request and return values for its page.

    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> _ = (folder / "hello.html").write_text("<p>{{ greeting }}, {{ name | shout }}")
    >>> templates = JinjaTemplates(folder, globals={"greeting": "Hello"}, filters={"shout": str.upper})
    >>> templates.render("hello.html", {"name": "<Ada>"})
    '<p>Hello, &lt;ADA&gt;'

    Raises `KickError` if the folder does not exist, or if Jinja2 is not installed. Pass it to
    `bootstrap(templates=...)`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        globals: Mapping[str, Any] | None = None,  # as Jinja2 calls them
        filters: Mapping[str, Callable[..., Any]] | None = None,
        context: Iterable[Callable[[RequestContext[Any]], Mapping[str, Any]]] = (),
    ) -> None:
        try:
            import jinja2
        except ModuleNotFoundError:
            raise missing_extra("bootstrap(templates=...)", "jinja2", "templates") from None
        self.folder = Path(folder)
        self.context = list(context)
        if not self.folder.is_dir():
            raise KickError(
                "templates-folder",
                cause=f"bootstrap(templates={str(self.folder)!r}): this folder does not exist.",
                fix='Use a path relative to the code: `templates=Path(__file__).parent / "templates"`.',
            )
        self._environment = jinja2.Environment(loader=jinja2.FileSystemLoader(self.folder), autoescape=True)
        self._environment.globals.update(globals or {})
        self._environment.filters.update(filters or {})
        self._not_found = jinja2.TemplateNotFound

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Return the page of a template.

        Raises `KickError`: `template-missing`, with similar names, if there is none.
        """
        try:
            return self._environment.get_template(template).render(values)
        except self._not_found as error:
            missing = str(error.name or template)
            known = sorted(self._environment.list_templates())
            near = similar(missing, known) or known[:3]
            names = ", ".join(f"`{name!r}`" for name in near)
            raise KickError(
                "template-missing",
                cause=f"There is no template {missing!r} in {self.folder}.",
                fix=f"Use one of these: {names}." if names else "Write it: the folder is empty.",
            ) from None

    def add_functions(self, functions: Mapping[str, Callable[[Mapping[str, Any]], Any]]) -> None:
        """Let all templates call these; each is given the values of the page."""
        from jinja2 import pass_context

        self._environment.globals.update({name: pass_context(function) for name, function in functions.items()})


def templates_of(
    given: str | os.PathLike[str] | JinjaTemplates | None, problems: list[KickError]
) -> JinjaTemplates | None:
    """Return the templates, or record the error if they cannot be loaded."""
    try:
        return given if given is None or isinstance(given, JinjaTemplates) else JinjaTemplates(given)
    except KickError as problem:
        problems.append(problem)
        return None

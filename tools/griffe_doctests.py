"""An extension of griffe for the reference: doctests become code blocks, since Markdown takes `>>>` for quotes."""

from __future__ import annotations

from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Puts each doctest of a docstring between fences."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of an object that has just been loaded."""
        del kwargs
        if obj.docstring is not None:
            obj.docstring.value = with_fences(obj.docstring.value)


def with_fences(text: str) -> str:
    """Return a docstring with fences around its doctests: from the first `>>>` of a paragraph to its end.

    >>> print(with_fences("Add.\\n\\n>>> 1 + 1\\n2\\n\\nIt is exact."))
    Add.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    <BLANKLINE>
    It is exact.
    """
    lines: list[str] = []
    in_doctest = False
    for line in [*text.split("\n"), ""]:
        if in_doctest and not line.strip():
            lines.append("```")
            in_doctest = False
        elif not in_doctest and line.lstrip().startswith(">>> "):
            lines.append("```pycon")
            in_doctest = True
        lines.append(line.strip("\n"))
    return "\n".join(lines[:-1])

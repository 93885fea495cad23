"""The pages of the guide, and the blocks of Python in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
_BLOCK = re.compile(r"^## (.*?)$|^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[tuple[str, str]]:
    """The blocks of a page in their order, each with the heading it stands under."""
    found: list[tuple[str, str]] = []
    heading = ""
    for match in _BLOCK.finditer((GUIDE / page).read_text()):
        if match[1] is not None:
            heading = match[1]
        else:
            found.append((heading, match[2]))
    return found


def names_of(page: str, heading: str) -> dict[str, Any]:
    """What the blocks under a heading define, run one after the other."""
    names: dict[str, Any] = {"__name__": f"guide_{page.removesuffix('.md')}"}
    code = [block for under, block in blocks(page) if under == heading]
    if not code:
        raise LookupError(f"{page} has no Python under {heading!r}")
    for block in code:
        exec(compile(block, f"{page}: {heading}", "exec", dont_inherit=True), names)
    return names


def application(page: str, heading: str) -> Any:
    """The `app` that the blocks under a heading make."""
    return names_of(page, heading)["app"]

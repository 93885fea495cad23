"""What a whole application decides about its requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from kick.http.body import DEFAULT_LIMIT
from kick.signing import Signer


class Templates(Protocol):
    """Renders pages."""

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The page of this name with these values."""
        ...

    def add_functions(self, functions: Mapping[str, Callable[[Mapping[str, Any]], Any]]) -> None:
        """Let all templates call these; each is given the values of the page."""
        ...


class Settings(msgspec.Struct):
    """Settings of the HTTP side of an application.

    `max_body` is in bytes; `None` is no limit.
    """

    max_body: int | None = DEFAULT_LIMIT
    cookie_signer: Signer | None = None
    templates: Templates | None = None

"""`Recorder`: shows a test client what a response does not contain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

KEY: Final = "kick.recorder"
"""The key of the `Recorder` in the scope of a request. Servers set none."""


class Recorder(Protocol):
    """Is told of the errors and the background tasks of a request."""

    def failed(self, error: Exception) -> None:
        """Record an exception that became a 500, or that ended a stream, a socket or a background task."""
        ...

    def background(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        options: Mapping[str, Any],
        run: Callable[[], Awaitable[Exception | None]],
    ) -> Awaitable[None]:
        """Record a background task, and run it or keep it for later. `run` returns its exception."""
        ...

"""`RequestSession`: the session as a real `dict`, for code that was written for `request.session`."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from kick.session.operations import Operations
from kick.session.session import Session
from kick.session.state import SessionState, Status


class RequestSession(Session[Any], dict[str, Any]):  # type: ignore[misc]  # both say what a mapping has
    """A `Session` that is a `dict` as well: `request.session`.

    `isinstance(request.session, dict)` holds, and `json.dumps()` and `JSONResponse` write the values. Everything that
    a `Session` can do is there too: `await request.session.regenerate()`.

    Code in C reads the values of a dict without asking the dict, so all of them are decoded when it is made. A list or
    dict is compared with what is stored only if somebody has taken it out.
    """

    __slots__ = ("_operations", "_state")

    def __init__(self, state: SessionState, operations: Operations) -> None:
        self._state = state
        self._operations = operations
        if state.status is not Status.UNAVAILABLE:  # then using it is the error, not looking
            state.open().show_in(self)

    def mark_accessed(self) -> None:
        """Note that the response depends on the session. Starlette calls it for `request.session`."""
        self._state.touch()
        self._mapping()

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (self.copy(),)

    def _mapping(self) -> MutableMapping[str, Any]:
        contents = self._state.look()
        contents.show_in(self)
        return contents.mapping

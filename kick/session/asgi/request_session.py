"""`RequestSession`: the session as a real `dict`, for code that was written for `request.session`.

Some applications put a dict of their own into the scope in its place; `replace_session()` takes over its data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, MutableMapping
from enum import Enum
from typing import Any

import msgspec
from starlette.types import Scope

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


async def replace_session(scope: Scope, session: Session[Any], *, is_kept: bool) -> None:
    """Give a session the data that took its place in the scope, and put it back; destroy it if none did.

    Nothing changes for another `Session`, which whoever put it there saves, and with `is_kept=False`: the response is
    an error. Raises `TypeError` for what holds no data.
    """
    value = scope.get("session")
    if isinstance(value, Session):
        return
    scope["session"] = session
    if not is_kept:
        return
    if _is_none(value):
        await session.destroy()
    elif isinstance(value, Mapping):
        _assign(session, dict(value))
    else:
        _assign(session, _fields_of(value))


def _assign(session: Session[Any], values: dict[str, Any]) -> None:
    for key in list(session):
        if key not in values:
            del session[key]
    session.update(values)


def _is_none(value: object) -> bool:
    """Return whether this stands for no session: `None`, or a sentinel such as the `Empty` of Litestar."""
    return value is None or isinstance(value, type | Enum)


def _fields_of(value: Any) -> dict[str, Any]:
    """Return the values of a pydantic model, a msgspec Struct or a dataclass."""
    if hasattr(value, "model_dump"):
        return dict(value.model_dump())
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"a {type(value).__name__} in scope['session'] holds no data of a session")

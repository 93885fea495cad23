"""`RequestSession`: the session as a real `dict`, for code that uses `request.session`.

Some applications replace it in the scope by a dict of their own; `replace_session()` takes over the data of this dict.
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
    """A `Session` that is also a `dict`: `request.session`.

    `isinstance(request.session, dict)` is true, and `json.dumps()` and `JSONResponse` write the values. It has all
    methods of a `Session` too: `await request.session.regenerate()`.

    C code reads the values of a dict without calling its methods, so all values are decoded when the object is created.
    A list or dict is compared with the stored one only if it was read.
    """

    __slots__ = ("_operations", "_state")

    def __init__(self, state: SessionState, operations: Operations) -> None:
        self._state = state
        self._operations = operations
        if state.status is not Status.UNAVAILABLE:  # only a use of the session is an error then
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
    """Take over the data that an application has put into the scope in place of its session.

    If it has put none there, the session is destroyed. If it has put another `Session` there, nothing happens, because
    the middleware of that session saves it. With `is_kept=False`, for a response that is an error, the data is dropped.
    Raises `TypeError` for an object without data.
    """
    value = scope.get("session")
    if isinstance(value, Session):
        return
    scope["session"] = session
    if not is_kept:
        return
    if _is_none(value):
        if not (session.state.is_accepted and session.state.status is Status.NEW):  # else there is nothing to destroy
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
    """Return true for a value that means "no session": `None`, or a sentinel such as `Empty` of Litestar."""
    return value is None or isinstance(value, type | Enum)


def _fields_of(value: Any) -> dict[str, Any]:
    """Return the values of a pydantic model, a msgspec Struct or a dataclass."""
    if hasattr(value, "model_dump"):
        return dict(value.model_dump())
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"a {type(value).__name__} in scope['session'] has no data for a session")

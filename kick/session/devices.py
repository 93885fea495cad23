"""The sessions of one user on several devices: `Sessions`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from kick.clock import moment
from kick.session.data.reserved import CLIENT_FIELD
from kick.session.data.values import UnreadableValue, decode
from kick.session.events import SessionEvent
from kick.session.ids import fingerprint, key_of
from kick.session.manager import SessionManager
from kick.session.races import ask_latest
from kick.session.stores.base import Record


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One session of a user, for a list of devices."""

    key: str
    """Identifies the session, and gives no access to it."""
    created_at: datetime
    """The time when the session began."""
    last_seen_at: datetime
    """The time when the session was last written or extended. A request that only reads may change nothing."""
    expires_at: datetime
    """The time when the session ends, unless something extends it."""
    client: Mapping[str, Any]
    """`ip` and `user_agent` of the device that started the session, if they were known."""

    @property
    def fingerprint(self) -> str:
        """Equal to `session.fingerprint` of that session, so a handler finds its own session in the list."""
        return fingerprint(self.key)


class Sessions:
    """Finds and ends sessions by `session.principal`.

    A handler asks for it by type:

        @Get("/devices")
        async def devices(self, ctx: RequestContext, sessions: Sessions):
            return await sessions.of(ctx.session.principal)

        @Post("/logout-others")
        async def logout_others(self, ctx: RequestContext, sessions: Sessions):
            await sessions.revoke(ctx.session.principal, except_id=ctx.session.id)
    """

    def __init__(self, manager: SessionManager) -> None:
        self._events = manager.events
        self._operations = manager.operations

    async def of(self, principal: object) -> list[SessionInfo]:
        """Return the living sessions of a principal, the last used one first. `None` has none."""
        if principal is None:
            return []
        found = await self._operations.ask(self._operations.store.find(str(principal)))
        infos = [info_of(key, record) for key, record in found]
        return sorted(infos, key=lambda info: info.last_seen_at, reverse=True)

    async def revoke(self, principal: object, *, except_id: str | None = None) -> int:
        """End all sessions of a principal except the one with this id; return the number of sessions ended.

        Requests that use one of these sessions at the moment can no longer write to it. A login that is stored after
        this call keeps its session, whenever it has begun: where the call follows a new password, compare a version of
        the password in the loader of the user, as the guide shows. `None` has no sessions.
        A request that ends its own session calls `logout()` or `login()` next: what it writes otherwise is not stored.

        Like all methods here, it raises `SessionUnavailable` if the store does not answer.
        """
        if principal is None:
            return 0
        keep = None
        if except_id is not None:  # a parallel request may have rotated it
            load = self._operations.store.load
            keep, _ = await ask_latest(key_of(except_id), lambda key: self._operations.ask(load(key)))
        ended = await self._operations.revoke(str(principal), keep=keep)
        if ended:
            self._events.emit(SessionEvent.REVOKED, keep)
        return ended

    async def end(self, info: SessionInfo) -> bool:
        """End a session of the list, even if its id has changed; return true if it still existed."""
        return await self._operations.end(info.key)

    async def purge(self) -> int:
        """Delete expired records from the store; return their number."""
        return await self._operations.ask(self._operations.store.purge())


def info_of(key: str, record: Record) -> SessionInfo:
    """Return the part of a record that a list of devices shows."""
    try:
        client = decode(record.fields[CLIENT_FIELD])
    except (KeyError, UnreadableValue):
        client = None
    return SessionInfo(
        key=key,
        created_at=moment(record.created_at),
        last_seen_at=moment(record.seen_at),
        expires_at=moment(record.expires_at),
        client=client if isinstance(client, dict) else {},
    )

"""Whose sessions there are: "log out my other devices"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from kick.session.data.reserved import CLIENT_FIELD
from kick.session.data.values import UnreadableValue, decode
from kick.session.events import SessionEvent
from kick.session.ids import fingerprint, key_of
from kick.session.manager import SessionManager
from kick.session.races import ask_latest
from kick.session.stores.base import Record


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One session of somebody, as shown in a list of devices. `key` names it and opens nothing."""

    key: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    client: Mapping[str, Any]
    """Where it was started: `ip` and `user_agent`, as far as they were known."""

    @property
    def fingerprint(self) -> str:
        """What `session.fingerprint` is in that session: so one finds the present one in the list."""
        return fingerprint(self.key)


class Sessions:
    """The sessions of people, found by `session.principal`.

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
        """The live sessions of a principal, the one seen last first; none of `None`, who is nobody."""
        if principal is None:
            return []
        found = await self._operations.ask(self._operations.store.find(str(principal)))
        infos = [info_of(key, record) for key, record in found]
        return sorted(infos, key=lambda info: info.last_seen_at, reverse=True)

    async def revoke(self, principal: object, *, except_id: str | None = None) -> int:
        """End all sessions of a principal but the one with this id; how many were ended.

        Requests that are in flight under one of them can no longer write, and none is given to the principal
        by a login that was already on its way when this was called and has not been answered when it returns.
        `None` is nobody, and has no sessions.
        Like all here, raises `SessionUnavailable` when the store does not answer.
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
        """End the session that a list shows, under whichever id it is by now; whether it was still there."""
        return await self._operations.end(info.key)

    async def purge(self) -> int:
        """Free what has expired; how many records."""
        return await self._operations.ask(self._operations.store.purge())


def info_of(key: str, record: Record) -> SessionInfo:
    """What a list of devices shows of a record."""
    try:
        client = decode(record.fields[CLIENT_FIELD])
    except (KeyError, UnreadableValue):
        client = {}
    return SessionInfo(
        key=key,
        created_at=datetime.fromtimestamp(record.created_at, UTC),
        last_seen_at=datetime.fromtimestamp(record.seen_at, UTC),
        expires_at=datetime.fromtimestamp(record.expires_at, UTC),
        client=client,
    )

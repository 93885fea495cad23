"""Whose sessions there are: "log out my other devices"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from kick.session.engine import CLIENT, Engine
from kick.session.events import SessionEvent
from kick.session.ids import fingerprint, key_of
from kick.session.store import Record
from kick.session.values import UnreadableValue, decode


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

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def of(self, principal: object) -> list[SessionInfo]:
        """The live sessions of a principal, the one seen last first."""
        found = await self._engine.store.find(str(principal))
        infos = [_info(key, record) for key, record in found]
        return sorted(infos, key=lambda info: info.last_seen_at, reverse=True)

    async def revoke(self, principal: object, *, except_id: str | None = None) -> int:
        """End all sessions of a principal but the one with this id; how many were ended.

        Requests that are in flight under one of them can no longer write, and none is given to the principal
        by a login that was already on its way when this was called and has not been answered when it returns.
        """
        keep = None if except_id is None else key_of(except_id)
        ended = await self._engine.store.revoke(str(principal), keep=keep)
        if ended:
            self._engine.events.emit(SessionEvent.REVOKED, keep)
        return ended

    async def end(self, info: SessionInfo) -> bool:
        """End the session that a list shows; whether it was still there."""
        return await self._engine.store.destroy(info.key) is True

    async def purge(self) -> int:
        """Free what has expired; how many records."""
        return await self._engine.store.purge()


def _info(key: str, record: Record) -> SessionInfo:
    try:
        client = decode(record.fields[CLIENT])
    except (KeyError, UnreadableValue):
        client = {}
    return SessionInfo(
        key=key,
        created_at=datetime.fromtimestamp(record.created_at, UTC),
        last_seen_at=datetime.fromtimestamp(record.seen_at, UTC),
        expires_at=datetime.fromtimestamp(record.expires_at, UTC),
        client=client,
    )

"""Migration of the sessions that express-session keeps in Redis through connect-redis.

Their record is a string: JSON with a member `cookie`, under a name that ends with the session id. kick reads it, and a
script then writes it in kick's form and removes the original, if that has not changed since. Therefore

* if several requests arrive at once, one moves the record, and all of them see the session;
* if Express writes the record in between, kick reads it again and moves the new state;
* if Express ends the session in between, it stays ended.

If Express reads the record before the move and writes it after the move, the old record exists again. A marker next to
the session records that it was migrated, so kick never reads the old record a second time: a session that was ended in
kick stays ended.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError

from kick.session.data.mapping import check_key
from kick.session.data.values import UnstorableValue, encode
from kick.session.ids import fingerprint
from kick.session.stores.redis.client.protocol import pack
from kick.session.stores.redis.principals import Call, Run
from kick.session.stores.redis.records import NOTHING, milliseconds
from kick.session.stores.redis.scripts import ADOPT

logger: Final = logging.getLogger("kick.session")

COOKIE: Final = "cookie"
"""The member of a record that belongs to Express."""

USUAL_LIFE: Final = 86_400.0
"""The lifetime, in seconds, that connect-redis uses for a cookie without an age."""

IN_FLIGHT: Final = 3600.0
"""Seconds that a request to Express may take between reading a record and writing it."""


class NotOfExpress(ValueError):
    """A record that is not from express-session."""


class Moved(msgspec.Struct, frozen=True):
    """A record of Express in the form of kick."""

    fields: Mapping[str, bytes]
    dropped: Sequence[str]
    """The reasons why members of the record were left out, one for each member."""
    usual_life: float
    """The lifetime, in seconds, that Express gives the record with each write."""


def read_record(text: bytes) -> Moved:
    """Return the fields of a session in a record of connect-redis: all its members but `cookie`.

    >>> read_record(b'{"cookie":{"originalMaxAge":60000},"user_id":7,"theme":"dark"}')
    Moved(fields={'user_id': b'7', 'theme': b'"dark"'}, dropped=[], usual_life=60.0)

    Raises `NotOfExpress`.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotOfExpress(f"it is not JSON: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get(COOKIE), dict):
        raise NotOfExpress(f"it is not an object with a member {COOKIE!r}")
    age = record.pop(COOKIE).get("originalMaxAge")
    fields: dict[str, bytes] = {}
    dropped: list[str] = []
    for name, value in record.items():
        try:
            check_key(name)
            fields[name] = encode(name, value)
        except UnstorableValue as error:
            dropped.append(str(error))
    return Moved(fields, dropped, age / 1000 if type(age) in (int, float) else USUAL_LIFE)


class ExpressMigration:
    """Moves the records of connect-redis under one prefix to sessions of kick."""

    def __init__(self, legacy_prefix: str, prefix: bytes, call: Call, run: Run) -> None:
        self._legacy_prefix = legacy_prefix.encode()
        self._prefix = prefix
        self._call = call
        self._run = run

    async def move(self, session_id: str, key: str, *, max_age: float, absolute_max_age: float | None) -> None:
        """Move the record of an id, if there is one, to kick's key."""
        name = self._name(session_id)
        while (text := await self._read(name, key)) is not None:
            try:
                moved = read_record(text)
            except NotOfExpress as error:
                logger.warning("session %s: the record of Express is ignored: %s", fingerprint(key), error)
                return
            if await self._replace(name, text, key, moved, max_age, absolute_max_age):
                for problem in moved.dropped:
                    logger.warning("session %s: not migrated from Express: %s", fingerprint(key), problem)
                return

    async def remove(self, session_id: str) -> None:
        """Remove the record of an id, if there is one."""
        name = self._name(session_id)
        await self._call(name, pack(b"DEL", name))

    def _name(self, session_id: str) -> bytes:
        return self._legacy_prefix + session_id.encode()

    async def _read(self, name: bytes, key: str) -> bytes | None:
        try:
            text: bytes | None = await self._call(name, pack(b"GET", name))
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            logger.warning("session %s: the record of Express is ignored: %s", fingerprint(key), error)
            return None
        return text

    async def _replace(
        self, name: bytes, text: bytes, key: str, moved: Moved, max_age: float, absolute_max_age: float | None
    ) -> bool:
        """Write the session in kick's form; return false if the record has changed meanwhile."""
        session = self._prefix + key.encode()
        deadline = NOTHING if absolute_max_age is None else milliseconds(absolute_max_age)
        mark = milliseconds(max(moved.usual_life, USUAL_LIFE) + IN_FLIGHT)
        pairs = [word for field, value in moved.fields.items() for word in (field.encode(), value)]
        arguments = [text, milliseconds(max_age), deadline, mark, b"%d" % len(pairs), *pairs]
        answer: Any = await self._run(ADOPT, [session, session + b":adopted", name], arguments)
        return bool(answer[0] != b"changed")

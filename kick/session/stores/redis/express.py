"""Migration of the sessions that express-session keeps in Redis through connect-redis.

Theirs is a string, JSON with a member `cookie`, under a name that ends in the session id. It is read once. One script
writes it in kick's form and takes it away, and does so only if it is still what was read; therefore

* of several first requests at once one moves it, and all of them see it;
* what Express writes in between is read again, and moved as it is then;
* what Express ends in between stays ended.

An Express that has read the record before the move and writes it after brings it back under the old name. A mark next
to the session says that it was taken over, so that kick never reads it a second time: what has been ended here,
by whatever means, stays ended.
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
from kick.session.stores.redis.principals import Call
from kick.session.stores.redis.records import NOTHING, milliseconds
from kick.session.stores.redis.scripts import ADOPT

logger: Final = logging.getLogger("kick.session")

COOKIE: Final = "cookie"
"""The member of a record that is Express's own."""

USUAL_LIFE: Final = 86_400.0
"""Seconds that connect-redis gives a session whose cookie names no age."""

IN_FLIGHT: Final = 3600.0
"""Seconds that a request to Express may take between reading a record and writing it."""


class NotOfExpress(ValueError):
    """A record that express-session has not written."""


class Moved(msgspec.Struct, frozen=True):
    """A record of Express in the form of kick."""

    fields: Mapping[str, bytes]
    dropped: Sequence[str]
    """The reasons why members of the record are not among the fields, one each."""
    usual_life: float
    """Seconds for which Express stores it whenever it writes it."""


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
        raise NotOfExpress(f"it is no object with a member {COOKIE!r}")
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

    def __init__(self, legacy_prefix: str, prefix: bytes, call: Call) -> None:
        self._legacy_prefix = legacy_prefix.encode()
        self._prefix = prefix
        self._call = call

    async def move(self, session_id: str, key: str, *, max_age: float, absolute_max_age: float | None) -> None:
        """Move the record of an id, if there is one, to where kick looks for it."""
        name = self._name(session_id)
        while (text := await self._read(name, key)) is not None:
            try:
                moved = read_record(text)
            except NotOfExpress as error:
                logger.warning("session %s: the record of Express counts as missing: %s", fingerprint(key), error)
                return
            if await self._replace(name, text, key, moved, max_age, absolute_max_age):
                for problem in moved.dropped:
                    logger.warning("session %s: not taken over from Express: %s", fingerprint(key), problem)
                return

    async def remove(self, session_id: str) -> None:
        """Remove the record of an id, if there is one."""
        name = self._name(session_id)
        await self._call(name, pack(b"DEL", name), None)

    def _name(self, session_id: str) -> bytes:
        return self._legacy_prefix + session_id.encode()

    async def _read(self, name: bytes, key: str) -> bytes | None:
        try:
            text: bytes | None = await self._call(name, pack(b"GET", name), None)
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            logger.warning("session %s: the record of Express counts as missing: %s", fingerprint(key), error)
            return None
        return text

    async def _replace(
        self, name: bytes, text: bytes, key: str, moved: Moved, max_age: float, absolute_max_age: float | None
    ) -> bool:
        """Write the session in kick's form; `False` when the record is another by now."""
        session = self._prefix + key.encode()
        deadline = NOTHING if absolute_max_age is None else milliseconds(absolute_max_age)
        mark = milliseconds(max(moved.usual_life, USUAL_LIFE) + IN_FLIGHT)
        pairs = [word for field, value in moved.fields.items() for word in (field.encode(), value)]
        arguments = [text, milliseconds(max_age), deadline, mark, b"%d" % len(pairs), *pairs]
        answer: Any = await self._call(session, ADOPT.call([session, session + b":adopted", name], arguments), ADOPT)
        return bool(answer[0] != b"changed")

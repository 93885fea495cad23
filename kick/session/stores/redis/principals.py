"""The index by principal, which lists and ends the sessions of a user.

Each principal has a sorted set of entries. It is in a slot of its own, so in a Cluster no script can change it together
with a session. Even so, no session may escape a revocation. Two rules guarantee this:

1. Before a session is assigned to a principal, an entry with a newly generated name is added to the index. The session
   then stores this name. So no session of a principal is without an entry. Entries without a session may exist, and
   they expire.
2. A revocation first sets all entries aside, in one step. Then, for each of them, one script in the slot of the session
   ends the session if it belongs to the principal now. Otherwise the script forbids the entry, by a key next to the
   session. Every script that assigns the session with that entry checks this key.

A session is assigned in three ways. The result depends on the order of the steps (E: adding the entry, W: writing the
session; S: setting aside, X: ending or forbidding):

    create, commit    E after S     the session is assigned after the whole revocation
                      E before S    the entry is set aside; X before W: forbidden, W writes nothing and ends the
                                    session; W before X: the session is the principal's, X ends it
    move              E after S     the entry of the old key is set aside, or already done with: E is refused
                                    or the session is gone, and the move answers GONE
                      E before S    both entries are set aside, and as above for the new key; the script that moves
                                    is one step, so the session is under one of the two keys whenever X comes
    the life of a     E after S     refused, as for a move
    session grows     E before S    the entry is set aside, X ends the session

An operation that is refused because its entry is set aside does step X before it returns GONE, so that the session is
ended after that.

If a process dies between two steps, a session lacks its change, or entries remain set aside. The next `find` and
`revoke` include those. The key that forbids an entry is kept for an hour; no step takes longer than the time limit of
the store.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any, Final, TypeAlias

import msgspec

from kick.session.stores.redis.client.commands import Script
from kick.session.stores.redis.client.protocol import pack
from kick.session.stores.redis.records import milliseconds
from kick.session.stores.redis.scripts import CONDEMN, ENTER, REVOKE

FORBIDDEN_FOR: Final = milliseconds(3600)

_is_entry: Final = re.compile(rb"[!-~]+ (\{[!-~]+\}:[!-~]+)").fullmatch

Call: TypeAlias = Callable[[bytes, bytes], Awaitable[Any]]
"""`call(key, payload)`: send a packed command about a key and await its answer."""

Run: TypeAlias = Callable[[Script, Sequence[bytes], Sequence[bytes]], Awaitable[Any]]
"""`run(script, keys, arguments)`: run a script and await its answer."""


class Entry(msgspec.Struct, frozen=True):
    """An entry in the index of a principal."""

    name: bytes
    until: bytes
    """The time at which it expires, in milliseconds."""


class Principals:
    """The index of all principals."""

    def __init__(self, prefix: bytes, call: Call, run: Run) -> None:
        self._prefix = prefix
        self._call = call
        self._run = run

    @property
    def pattern(self) -> bytes:
        """The pattern by which SCAN finds all the sets."""
        return b"".join(b"\\" + each if each in b"*?[]\\" else each for each in _letters(self._prefix)) + b"principal:*"

    def forbids(self, key: bytes, entry: bytes) -> bytes:
        """Return the key next to a session that forbids to assign it with an entry."""
        return b"%b%b:revoked:%b" % (self._prefix, key, entry)

    async def enter(
        self, principal: bytes, key: bytes, *, max_age: bytes, expires: bytes = b"0", instead_of: bytes = b""
    ) -> Entry | None:
        """Add an entry for a session that is about to be assigned to a principal; `None` if it is being revoked.

        `instead_of` is the current entry of the session for this principal, with its key.
        """
        name = secrets.token_urlsafe(9).encode()
        until = await self._enter(principal, b"%b %b" % (name, key), instead_of, max_age, expires)
        return None if until is None else Entry(name, until)

    async def keep(self, principal: bytes, key: bytes, name: bytes, *, max_age: bytes, expires: bytes) -> Entry | None:
        """Prolong an entry; `None` if it is being revoked."""
        member = b"%b %b" % (name, key)
        until = await self._enter(principal, member, member, max_age, expires)
        return None if until is None else Entry(name, until)

    async def _enter(
        self, principal: bytes, member: bytes, former: bytes, max_age: bytes, expires: bytes
    ) -> bytes | None:
        keys = self._keys(principal)
        until: bytes | None = await self._run(ENTER, keys, [member, former, max_age, expires])
        return until

    def remove(self, principal: bytes, key: bytes, name: bytes) -> tuple[bytes, bytes]:
        """Return a key, and the command that removes the entry of a session which left the principal."""
        index = self._keys(principal)[0]
        return index, pack(b"ZREM", index, b"%b %b" % (name, key))

    async def keys_of(self, principal: bytes) -> list[bytes]:
        """Return the keys of all sessions that may belong to the principal, including those that are being revoked."""
        keys: dict[bytes, None] = {}
        for index in self._keys(principal):
            members = await self._call(index, pack(b"ZRANGE", index, b"0", b"-1"))
            keys.update(dict.fromkeys(key for member in members if (key := _key(member))))
        return list(keys)

    async def set_aside(self, principal: bytes, keep: bytes) -> Sequence[bytes]:
        """Do step S: set the entries aside and return them; with `keep`, the key of a session, all but its entry."""
        keys = self._keys(principal)
        members: Sequence[bytes] = await self._run(CONDEMN, keys, [keep])
        return members

    async def end(self, principal: bytes, member: bytes) -> bool:
        """Do step X: end a session of the principal, else forbid the entry; return true if it was ended."""
        key = _key(member)
        if not key:
            return False
        session = self._prefix + key
        keys = [session, self.forbids(key, member.partition(b" ")[0])]
        ended: int = await self._run(REVOKE, keys, [principal, FORBIDDEN_FOR])
        return ended == 1

    async def done(self, principal: bytes, members: Sequence[bytes]) -> None:
        """Remove entries that were set aside and are now revoked."""
        if members:
            aside = self._keys(principal)[1]
            await self._call(aside, pack(b"ZREM", aside, *members))

    def _keys(self, principal: bytes) -> tuple[bytes, bytes]:
        """Return the keys of the index of a principal and of the entries set aside; both in one slot."""
        index = b"%bprincipal:{%b}" % (self._prefix, sha256(principal).hexdigest().encode())
        return index, index + b":revoking"


def _key(member: bytes) -> bytes:
    """Return the key of the session in a member of an index; nothing for a member that is not an entry of kick."""
    found = _is_entry(member)
    return b"" if found is None else found[1]


def _letters(text: bytes) -> list[bytes]:
    return [text[at : at + 1] for at in range(len(text))]

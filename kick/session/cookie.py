"""The session cookie: the only place that knows what it looks like."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

import msgspec

from kick.environment import in_production
from kick.errors import KickError
from kick.http.cookies import SameSite, attribute_problem, attributes, decode_value
from kick.session.errors import BadSessionCookie
from kick.session.ids import is_well_formed, key_of
from kick.signing import Signer

_PREFIX: Final = "s:"
"""Says "signed", in the manner of express-session."""

REMEMBERED: Final = 4096
"""How many cookies with a valid signature are remembered, so that those of a busy browser are not verified anew."""

LONGEST_REMEMBERED: Final = 256
"""Characters; a cookie of ours has 82."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CookieOptions:
    """The attributes of the session cookie (RFC 6265, section 4.1.2).

    Arguments:
        http_only: out of reach of scripts.
        secure: over https only; `None` means that it is so in production (`KICK_ENV=production`).
        same_site: `"lax"`, `"strict"` or `"none"`; `"none"` goes with `secure` only.
        path: below which path the cookie is sent; outside of it there is no session.
        domain: for which hosts; `None` for the host that set it, and no other.
        partitioned: one cookie jar for each top-level site (CHIPS).

    >>> CookieOptions(same_site="strict").http_only
    True
    """

    http_only: bool = True
    secure: bool | None = None
    same_site: SameSite = "lax"
    path: str = "/"
    domain: str | None = None
    partitioned: bool = False

    @property
    def is_secure(self) -> bool:
        """`secure`, with `None` decided by the environment."""
        return in_production() if self.secure is None else self.secure

    def problems(self, name: str) -> list[KickError]:
        """Why a session cookie of this name could not be set."""
        problem = attribute_problem(
            name,
            path=self.path,
            domain=self.domain,
            secure=self.is_secure,
            same_site=self.same_site,
            partitioned=self.partitioned,
        )
        return [] if problem is None else [BadSessionCookie(*problem)]


class Claim(msgspec.Struct, frozen=True):
    """The id that a request came with, signed by us."""

    session_id: str
    key: str
    """Under which stores know it."""
    is_current: bool
    """Whether the first of the secrets signed it; otherwise the cookie is issued anew."""


class SessionCookie:
    """Reads and writes the cookie.

    >>> cookie = SessionCookie("kick.sid", Signer("a secret of at least thirty-two bytes"), CookieOptions())
    >>> header = cookie.issue("abcdefghijklmnopqrstuvwxyz0123456789", 60.0).decode()
    >>> header.partition("; ")[2]
    'Max-Age=60; Path=/; HttpOnly; SameSite=Lax'
    >>> cookie.read([header.partition("=")[2].partition(";")[0]]).session_id
    'abcdefghijklmnopqrstuvwxyz0123456789'
    """

    __slots__ = ("_attributes", "_claims", "_signer", "name")

    def __init__(self, name: str, signer: Signer, options: CookieOptions) -> None:
        self.name = name
        self._signer = signer
        self._claims: dict[str, Claim] = {}
        self._attributes = "; ".join(
            attributes(
                path=options.path,
                domain=options.domain,
                secure=options.is_secure,
                http_only=options.http_only,
                same_site=options.same_site,
                partitioned=options.partitioned,
            )
        )

    def read(self, values: Iterable[str]) -> Claim | None:
        """The first of the values that carries a valid signature and something of the form of an id."""
        for value in values:
            claim = self._claims.get(value) or self._verified(value)
            if claim is not None:
                return claim
        return None

    def _verified(self, sent: str) -> Claim | None:
        value = sent if sent[:2] == _PREFIX else decode_value(sent)
        verified = self._signer.verify(value[2:]) if value[:2] == _PREFIX else None
        if verified is None or not is_well_formed(verified[0]):
            return None
        session_id, is_current = verified
        claim = Claim(session_id, key_of(session_id), is_current)
        if len(sent) <= LONGEST_REMEMBERED:
            if len(self._claims) >= REMEMBERED:
                self._claims.clear()
            self._claims[sent] = claim
        return claim

    def issue(self, session_id: str, max_age: float) -> bytes:
        """The `Set-Cookie` value for an id; `max_age` is in seconds and is rounded up."""
        signed = self._signer.sign(session_id)
        return f"{self.name}={_PREFIX}{signed}; Max-Age={-int(-max_age // 1)}; {self._attributes}".encode("ascii")

    def remove(self) -> bytes:
        """The `Set-Cookie` value that removes the cookie: the same attributes, and no life left."""
        return f"{self.name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; {self._attributes}".encode("ascii")

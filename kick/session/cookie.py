"""The session cookie: the only place that knows what it looks like."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from kick.cookies import SameSite, attribute_problem, attributes, decode_value, parse_cookies
from kick.environment import in_production
from kick.errors import KickError
from kick.session.errors import bad_session_cookie
from kick.session.ids import fingerprint, is_well_formed, key_of
from kick.signing import Signer

_PREFIX: Final = "s:"
"""Says "signed", in the manner of express-session."""

REMEMBERED: Final = 4096
"""How many `Cookie` headers with a valid signature are remembered: a browser sends the same one again and again."""

LONGEST_REMEMBERED: Final = 1024
"""Bytes. What is remembered never takes more than a few MiB, whatever clients send."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CookieOptions:
    """The attributes of the session cookie (RFC 6265, section 4.1.2).

    Arguments:
        http_only: out of reach of scripts.
        secure: over https only; `None` means that it is so in production (`KICK_ENV=production`), `"auto"` that it is
            so for requests that came over https, as trusted proxies tell it.
        same_site: `"lax"`, `"strict"` or `"none"`; `"none"` goes with `secure` only.
        path: below which path the cookie is sent; outside of it there is no session.
        domain: for which hosts; `None` for the host that set it, and no other.
        partitioned: one cookie jar for each top-level site (CHIPS).

    >>> CookieOptions(same_site="strict").http_only
    True
    """

    http_only: bool = True
    secure: bool | Literal["auto"] | None = None
    same_site: SameSite = "lax"
    path: str = "/"
    domain: str | None = None
    partitioned: bool = False

    @property
    def is_secure(self) -> bool:
        """Whether it is so always: `None` is decided by the environment, and `"auto"` by each request."""
        return in_production() if self.secure is None else self.secure != "auto" and bool(self.secure)

    def problems(self, name: str) -> list[KickError]:
        """Why a session cookie of this name could not be set."""
        if self.secure not in (True, False, None, "auto"):
            cause = f"secure is True, False, None or 'auto', not {self.secure!r}"
            return [bad_session_cookie(cause, 'Take one of them: `cookie={"secure": "auto"}`.')]
        problem = attribute_problem(
            name,
            path=self.path,
            domain=self.domain,
            secure=self.is_secure,
            same_site=self.same_site,
            partitioned=self.partitioned,
        )
        return [] if problem is None else [bad_session_cookie(*problem)]


class Claim(msgspec.Struct, frozen=True):
    """The id that a request came with, signed by us."""

    session_id: str
    key: str
    """Under which stores know it."""
    is_current: bool
    """Whether the first of the secrets signed it; otherwise the cookie is issued anew."""

    def __repr__(self) -> str:
        return f"<Claim {fingerprint(self.key)}>"


class SessionCookie:
    """Reads and writes the cookie.

    >>> cookie = SessionCookie("kick.sid", Signer("a secret of at least thirty-two bytes"), CookieOptions())
    >>> header = cookie.issue("abcdefghijklmnopqrstuvwxyz0123456789", 60.0).decode()
    >>> header.partition("; ")[2]
    'Max-Age=60; Path=/; HttpOnly; SameSite=Lax'
    >>> cookie.read([(b"cookie", header.partition(";")[0].encode())]).session_id
    'abcdefghijklmnopqrstuvwxyz0123456789'
    """

    __slots__ = ("_attributes", "_by_scheme", "_claims", "_name", "_signer", "name")

    def __init__(self, name: str, signer: Signer, options: CookieOptions) -> None:
        self.name = name
        self._by_scheme = options.secure == "auto"
        self._signer = signer
        self._claims: dict[bytes, Claim] = {}
        self._name = name.encode()
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

    @property
    def secrets(self) -> int:
        """How many secrets its signatures are verified with."""
        return len(self._signer)

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> Claim | None:
        """What the first cookie of the name says that has a valid signature, and something of the form of an id."""
        for name, line in headers:
            if name == b"cookie":
                claim = self._claims.get(line) or self._read_line(line)
                if claim is not None:
                    return claim
        return None

    def came(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether there is a cookie of the name at all."""
        return any(name == b"cookie" and self._values(line) for name, line in headers)

    def _read_line(self, line: bytes) -> Claim | None:
        for value in self._values(line):
            text = value if value[:2] == _PREFIX else decode_value(value)
            verified = self._signer.verify(text[2:]) if text[:2] == _PREFIX else None
            if verified is not None and is_well_formed(verified[0]):
                session_id, is_current = verified
                claim = Claim(session_id, key_of(session_id), is_current)
                self._remember(line, claim)
                return claim
        return None

    def _values(self, line: bytes) -> list[str]:
        if self._name not in line:
            return []
        return [value for name, value in parse_cookies(line.decode("latin-1")) if name == self.name]

    def _remember(self, line: bytes, claim: Claim) -> None:
        if len(line) <= LONGEST_REMEMBERED:
            if len(self._claims) >= REMEMBERED:
                self._claims.clear()
            self._claims[line] = claim

    def issue(self, session_id: str, max_age: float) -> bytes:
        """The `Set-Cookie` value for an id; `max_age` is in seconds and is rounded up."""
        signed = self._signer.sign(session_id)
        return f"{self.name}={_PREFIX}{signed}; Max-Age={-int(-max_age // 1)}; {self._attributes}".encode("ascii")

    def remove(self) -> bytes:
        """The `Set-Cookie` value that removes the cookie: the same attributes, and no life left."""
        return f"{self.name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; {self._attributes}".encode("ascii")

    def for_scheme(self, cookie: bytes | None, scheme: str) -> bytes | None:
        """A `Set-Cookie` value as it goes out over a scheme: with `Secure` over https or wss, where `secure="auto"`."""
        if cookie is None or not self._by_scheme or scheme not in ("https", "wss"):
            return cookie
        return cookie + b"; Secure"

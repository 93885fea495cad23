"""The session cookie: its attributes, how it is read and written, and which response sends it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import Final, Literal

from kick.cookies import SameSite, attribute_problem, attributes, decode_value, parse_cookies
from kick.environment import in_production
from kick.errors import KickError
from kick.session.errors import bad_session_cookie
from kick.session.ids import Claim, is_well_formed, key_of
from kick.session.state import CookieAction, SessionState, Status
from kick.signing import Signer

_PREFIX: Final = "s:"
"""Says "signed", in the manner of express-session."""

REMEMBERED: Final = 4096
"""How many `Cookie` headers with a valid signature are remembered: a browser sends the same one again and again."""

MOST_CLAIMS: Final = 4
"""The number of cookies of one request whose sessions are looked up."""

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
        persistent: `False` leaves out `Max-Age`: the cookie ends with the browser.
        prefix: `"__Host-"` or `"__Secure-"` in front of the name, which browsers then guard (RFC 6265bis, section
            4.1.3); `"auto"` takes `"__Host-"` wherever secure, path and domain allow it.
        replaces: names of cookies that are read after the own one, and then removed: for a change of name or prefix.

    >>> CookieOptions(same_site="strict").http_only
    True
    """

    http_only: bool = True
    secure: bool | Literal["auto"] | None = None
    same_site: SameSite = "lax"
    path: str = "/"
    domain: str | None = None
    partitioned: bool = False
    persistent: bool = True
    prefix: Literal["", "auto", "__Host-", "__Secure-"] = ""
    replaces: Collection[str] = ()

    def full_name(self, name: str) -> str:
        """Return the name of the cookie with its prefix.

        >>> CookieOptions(prefix="auto", secure=True).full_name("sid")
        '__Host-sid'
        >>> CookieOptions(prefix="auto", secure=False).full_name("sid")
        'sid'
        """
        if self.prefix != "auto":
            return self.prefix + name
        return f"__Host-{name}" if self.is_secure and self.path == "/" and self.domain is None else name

    @property
    def is_secure(self) -> bool:
        """Whether it is so always: `None` is decided by the environment, and `"auto"` by each request."""
        return in_production() if self.secure is None else self.secure != "auto" and bool(self.secure)

    def problems(self, name: str) -> list[KickError]:
        """Why a session cookie of this name could not be set."""
        if self.secure not in (True, False, None, "auto"):
            cause = f"secure is True, False, None or 'auto', not {self.secure!r}"
            return [bad_session_cookie(cause, 'Take one of them: `cookie={"secure": "auto"}`.')]
        if self.prefix not in ("", "auto", "__Host-", "__Secure-"):
            cause = f"prefix is '', 'auto', '__Host-' or '__Secure-', not {self.prefix!r}"
            return [bad_session_cookie(cause, 'Take one of them: `cookie={"prefix": "auto"}`.')]
        if isinstance(self.replaces, str) or self.full_name(name) in self.replaces:
            cause = f"replaces is a list of names other than {self.full_name(name)!r}, not {self.replaces!r}"
            return [bad_session_cookie(cause, 'List the former names: `cookie={"replaces": ["old.sid"]}`.')]
        problem = attribute_problem(
            self.full_name(name),
            path=self.path,
            domain=self.domain,
            secure=self.is_secure,
            same_site=self.same_site,
            partitioned=self.partitioned,
        )
        return [] if problem is None else [bad_session_cookie(*problem)]


class SessionCookie:
    """Reads and writes the cookie.

    >>> cookie = SessionCookie("kick.sid", Signer("a secret of at least thirty-two bytes"), CookieOptions())
    >>> header = cookie.issue("abcdefghijklmnopqrstuvwxyz0123456789", 60.0).decode()
    >>> header.partition("; ")[2]
    'Max-Age=60; Path=/; HttpOnly; SameSite=Lax'
    >>> cookie.read([(b"cookie", header.partition(";")[0].encode())])[0].session_id
    'abcdefghijklmnopqrstuvwxyz0123456789'
    """

    __slots__ = ("_attributes", "_by_scheme", "_claims", "_names", "_signer", "name", "persistent", "same_site")

    def __init__(self, name: str, signer: Signer, options: CookieOptions) -> None:
        self.name = name
        self._by_scheme = options.secure == "auto"
        self._signer = signer
        self._claims: dict[bytes, tuple[Claim, ...]] = {}
        self._names = (name, *options.replaces)
        self.persistent = options.persistent
        self.same_site: SameSite = options.same_site
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

    @property
    def fingerprints(self) -> frozenset[str]:
        """See `Signer.fingerprints`."""
        return self._signer.fingerprints

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[Claim, ...]:
        """Return what the cookies of the request claim that have a valid signature and hold what can be an id.

        Those of the own name come first, in the order of the header; then those of the names that it replaces. After a
        change of domain or path, browsers send two cookies of one name. Of more than four the rest is left out.
        """
        claims: tuple[Claim, ...] = ()
        for name, line in headers:
            if name == b"cookie":
                found = self._claims.get(line)
                if found is None:
                    found = self._read_line(line)
                claims = claims + found if claims else found
        if len(claims) > 1:
            distinct = {claim.session_id: claim for claim in sorted(claims, key=lambda claim: -claim.rank)}
            claims = tuple(sorted(distinct.values(), key=lambda claim: (claim.rank, claims.index(claim))))[:MOST_CLAIMS]
        return claims

    def came(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Return whether there is a cookie of the name at all, signed or not."""
        lines = (line for name, line in headers if name == b"cookie")
        return any(name == self.name for line in lines for name, _ in self._values(line))

    def replaced(self, headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
        """Return the names of the cookies that came and that this one replaces."""
        if len(self._names) == 1:
            return []
        came = {each for name, line in headers if name == b"cookie" for each, _ in self._values(line)}
        return [name for name in self._names[1:] if name in came]

    def _read_line(self, line: bytes) -> tuple[Claim, ...]:
        claims = []
        for name, value in self._values(line):
            text = value if value[:2] == _PREFIX else decode_value(value)
            verified = self._signer.verify(text[2:]) if text[:2] == _PREFIX else None
            if verified is not None and is_well_formed(verified[0]):
                session_id, is_current = verified
                rank = self._names.index(name)
                claims.append(Claim(session_id, key_of(session_id), is_current and rank == 0, rank))
        found = tuple(claims)
        if found and len(line) <= LONGEST_REMEMBERED:
            if len(self._claims) >= REMEMBERED:
                self._claims.clear()
            self._claims[line] = found
        return found

    def _values(self, line: bytes) -> list[tuple[str, str]]:
        if not any(name.encode() in line for name in self._names):
            return []
        return [pair for pair in parse_cookies(line.decode("latin-1")) if pair[0] in self._names]

    def decide(self, state: SessionState, *, max_age: float, now: float) -> tuple[bytes, ...]:
        """Decide about the cookie of the response, from the final state; return the `Set-Cookie` values.

        The id is sent only if the store has confirmed it in this request: a request that has lost a race must not
        overwrite the cookie that the winner has just set. `max_age` is that of the session, in seconds.
        """
        own: tuple[bytes, ...] = ()
        match state.cookie, state.status:
            case CookieAction.SEND, Status.STORED:
                deadline = None if state.record is None else state.record.deadline
                age = max_age if deadline is None else max(1.0, min(max_age, deadline - now))
                own = (self.issue(state.require_id(), age, persistent=state.life.get("persistent")),)
            case CookieAction.REMOVE, Status.DESTROYED | Status.NEW:
                own = (self.remove(),)
        if not state.replaced:
            return own
        # Cookies of former names are removed when they are no longer needed: this response sends the own cookie, the
        # browser has it already, or no session lives.
        is_own = state.claim is not None and state.claim.rank == 0 and state.status is Status.STORED
        if own or is_own or state.status in (Status.NEW, Status.DESTROYED):
            return own + tuple(self.remove(name) for name in state.replaced)
        return ()

    def issue(self, session_id: str, max_age: float, *, persistent: bool | None = None) -> bytes:
        """Return the `Set-Cookie` value for an id.

        `max_age` is in seconds and is rounded up. A cookie that is not `persistent` has none: it ends with the browser.
        """
        signed = self._signer.sign(session_id)
        keeps = self.persistent if persistent is None else persistent
        age = f"Max-Age={-int(-max_age // 1)}; " if keeps else ""
        return f"{self.name}={_PREFIX}{signed}; {age}{self._attributes}".encode("ascii")

    def remove(self, name: str | None = None) -> bytes:
        """Return the `Set-Cookie` value that removes the cookie, or that of a name that it replaces.

        It has the same attributes, and no life left.
        """
        name = self.name if name is None else name
        return f"{name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; {self._attributes}".encode("ascii")

    def for_scheme(self, cookies: tuple[bytes, ...], scheme: str) -> tuple[bytes, ...]:
        """Return `Set-Cookie` values as they go out over a scheme: with `Secure` over https, where `secure="auto"`."""
        if not self._by_scheme or scheme not in ("https", "wss"):
            return cookies
        return tuple(cookie + b"; Secure" for cookie in cookies)

"""The session cookie: its attributes, how it is read and written, and which response sends it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Literal

from kick.cookies import SameSite, attribute_problem, attributes, decode_value, parse_cookies
from kick.environment import in_production
from kick.errors import KickError
from kick.session.errors import bad_session_cookie
from kick.session.ids import Claim, is_well_formed
from kick.session.state import CookieAction, SessionState, Status
from kick.signing import Signer

_PREFIX: Final = "s:"
"""Means "signed", as in express-session."""

REMEMBERED: Final = 4096
"""The number of verified `Cookie` headers in the cache: a browser sends the same header again and again."""

MOST_CLAIMS: Final = 4
"""The number of session cookies of one request that are looked up in the store."""

LONGEST_REMEMBERED: Final = 1024
"""The most bytes of a header in the cache. So the cache stays below a few MiB, whatever clients send."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CookieOptions:
    """The attributes of the session cookie (RFC 6265, section 4.1.2).

    Arguments:
        http_only: scripts cannot read the cookie.
        secure: browsers send it over https only. `None` means true unless `KICK_ENV` is `development` or `test`;
            `"auto"` means true for requests over https, also behind a trusted proxy.
        same_site: `"lax"`, `"strict"` or `"none"`; `"none"` needs `secure`.
        path: browsers send the cookie to paths below this one; requests to other paths have no session.
        domain: browsers send it to this host and its sub-domains; `None` means only the host that has set it.
        partitioned: browsers keep a separate cookie for each top-level site (CHIPS).
        persistent: `False` omits `Max-Age`, so the cookie is deleted when the browser is closed.
        prefix: `"__Host-"` or `"__Secure-"` before the name, for which browsers enforce rules (RFC 6265bis, section
            4.1.3). `"auto"` means `"__Host-"` if secure, path and domain allow it.
        replaces: former names of the cookie. They are read after the current name, and then removed.

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
        """True if all requests get a `Secure` cookie. With `None` the environment decides; `"auto"` is false here."""
        return in_production() if self.secure is None else self.secure not in ("auto", False)

    def problems(self, name: str) -> list[KickError]:
        """Return the reasons why a session cookie with this name cannot be set."""
        if self.secure not in (True, False, None, "auto"):
            cause = f"secure must be True, False, None or 'auto', not {self.secure!r}"
            return [bad_session_cookie(cause, 'Use one of them: `cookie={"secure": "auto"}`.')]
        if self.prefix not in ("", "auto", "__Host-", "__Secure-"):
            cause = f"prefix must be '', 'auto', '__Host-' or '__Secure-', not {self.prefix!r}"
            return [bad_session_cookie(cause, 'Use one of them: `cookie={"prefix": "auto"}`.')]
        # With "auto", the bare name is the own one in development, and a former one in production.
        is_own = self.full_name(name) in self.replaces and (self.prefix != "auto" or self.full_name(name) != name)
        if isinstance(self.replaces, str) or is_own:
            cause = f"replaces must be a list of names other than {self.full_name(name)!r}, not {self.replaces!r}"
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
    """Reads and writes the session cookie.

    >>> cookie = SessionCookie("kick.sid", Signer("a secret of at least thirty-two bytes"), CookieOptions())
    >>> header = cookie.issue("abcdefghijklmnopqrstuvwxyz0123456789", 60.0).decode()
    >>> header.partition("; ")[2]
    'Max-Age=60; Path=/; HttpOnly; SameSite=Lax'
    >>> cookie.read([(b"cookie", header.partition(";")[0].encode())])[0].session_id
    'abcdefghijklmnopqrstuvwxyz0123456789'
    """

    __slots__ = ("_claims", "_names", "_signer", "attribute_text", "follows_scheme", "name", "persistent", "same_site")

    def __init__(self, name: str, signer: Signer, options: CookieOptions) -> None:
        self.name = name
        self.follows_scheme = options.secure == "auto"
        """Cookies are `Secure` in responses to requests over https."""
        self._signer = signer
        self._claims: dict[bytes, tuple[Claim, ...]] = {}
        self._names = (name, *(each for each in options.replaces if each != name))
        self.persistent = options.persistent
        self.same_site: SameSite = options.same_site
        self.attribute_text = "; ".join(
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
        """The number of secrets with which signatures are verified."""
        return len(self._signer)

    @property
    def fingerprints(self) -> frozenset[str]:
        """See `Signer.fingerprints`."""
        return self._signer.fingerprints

    def accepts(self, other: SessionCookie) -> bool:
        """Return whether the value of another cookie is valid under this name: the name is not signed."""
        return self._signer.accepts(other._signer)

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[Claim, ...]:
        """Return the ids from the cookies of a request that have a valid signature.

        Cookies with the current name come first, in the order of the header, then those with former names. Browsers
        send two cookies with one name after a change of the domain or path. Only the first four are returned.
        """
        claims: tuple[Claim, ...] = ()
        for name, line in headers:
            if name == b"cookie":
                found = self._claims.get(line)
                if found is None:
                    found = self._read_line(line)
                claims = _chosen((*claims, *found)) if claims else found
        return claims

    def came(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Return true if the request has a cookie with the name, with or without a valid signature."""
        lines = (line for name, line in headers if name == b"cookie")
        return any(name == self.name for line in lines for name, _ in self._values(line))

    def replaced(self, headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
        """Return the former names of this cookie with which the request has cookies."""
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
                claims.append(Claim(session_id, is_current=is_current and rank == 0, rank=rank))
        found = _chosen(claims)
        if found and len(line) <= LONGEST_REMEMBERED:
            if len(self._claims) >= REMEMBERED:
                self._claims.clear()
            self._claims[line] = found
        return found

    def _values(self, line: bytes) -> list[tuple[str, str]]:
        if not any(name.encode() in line for name in self._names):
            return []
        return [pair for pair in parse_cookies(line.decode("latin-1")) if pair[0] in self._names]

    def decide(
        self, state: SessionState, *, max_age: float, persistent: bool, now: Callable[[], float]
    ) -> tuple[bytes, ...]:
        """Decide about the cookie of the response, from the final state; return the `Set-Cookie` values.

        The id is sent only if the store has confirmed it in this request: a request that has lost a race must not
        overwrite the cookie that the winner has just set. `max_age` is that of the session, in seconds. `now` is the
        clock of the store, which is asked only for a session that is near its deadline.
        """
        own: tuple[bytes, ...] = ()
        match state.cookie, state.status:
            case CookieAction.SEND, Status.STORED:
                record = state.record
                assert state.id is not None  # noqa: S101  # a stored session has both
                assert record is not None  # noqa: S101
                # It expires in the future, so at least this much is left until the deadline.
                if record.deadline is not None and record.deadline - record.expires_at < max_age:
                    max_age = max(1.0, min(max_age, record.deadline - now()))
                own = (self.issue(state.id, max_age, persistent=persistent),)
            case CookieAction.REMOVE, Status.DESTROYED if _counts_changes(state.scope["headers"]):
                own = (f"{self.name}=ended; Max-Age=1; {self.attribute_text}".encode("ascii"), self.remove())
            case CookieAction.REMOVE, Status.DESTROYED | Status.NEW:
                own = (self.remove(),)
            case CookieAction.KEEP, Status.NEW if state.token is not None and state.cookie_came:
                own = (self.remove(),)  # it leads nowhere, and `csrf()` would refuse the token beside it
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

        `max_age` is in seconds and is rounded up. A cookie that is not `persistent` has no `Max-Age`.
        """
        signed = self._signer.sign(session_id)
        keeps = self.persistent if persistent is None else persistent
        age = f"Max-Age={-int(-max_age // 1)}; " if keeps else ""
        return f"{self.name}={_PREFIX}{signed}; {age}{self.attribute_text}".encode("ascii")

    def remove(self, name: str | None = None) -> bytes:
        """Return the `Set-Cookie` value that removes the cookie, or one with a former name."""
        name = self.name if name is None else name
        return f"{name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; {self.attribute_text}".encode("ascii")

    def for_scheme(self, cookies: tuple[bytes, ...], scope: Mapping[str, Any]) -> tuple[bytes, ...]:
        """Return the `Set-Cookie` values for the scheme of a request, if the cookie `follows_scheme`."""
        if scope.get("scheme") not in ("https", "wss"):
            return cookies
        return tuple(cookie + b"; Secure" for cookie in cookies)


def _counts_changes(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return true for a browser that keeps pages in spite of `no-store` until cookies have changed often enough.

    Chromium shows such a page again, at the back button, if no more `HttpOnly` cookies have changed since then than the
    responses that led to the page have set. To a page after a login, that is one, so the removal of the cookie alone
    does not count. A change of the value before it does.
    """
    return any(name == b"user-agent" and b"Chrome/" in value for name, value in headers)


def _chosen(claims: Collection[Claim]) -> tuple[Claim, ...]:
    """Return the claims that are looked up, the best first, and each session id once."""
    distinct: dict[str, Claim] = {}
    for claim in sorted(claims, key=lambda claim: claim.rank):  # which keeps the order of the header
        distinct.setdefault(claim.session_id, claim)
    return tuple(distinct.values())[:MOST_CLAIMS]

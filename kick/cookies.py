"""Reading the `Cookie` header and writing `Set-Cookie` (RFC 6265).

Parsing takes one pass over the header and never raises. A malformed cookie is left out, and the others are kept.
`http.cookies` is not used, because it takes quadratic time on hostile input.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from math import isfinite
from string import hexdigits
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import quote

SameSite: TypeAlias = Literal["lax", "strict", "none"]

is_token: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII).fullmatch
"""Matches a token (RFC 9110, section 5.6.2); the name of a cookie must be one."""

MAX_COOKIE: Final = 4096
"""The size in bytes up to which browsers take a cookie with its attributes (RFC 6265, section 6.1)."""

_MAX_PART: Final = 1024
"""The size in bytes up to which browsers take an attribute (RFC 6265bis, section 5.6); for a name, to leave room."""
_MAX_HOST: Final = 253

_is_path: Final = re.compile(r"/[\x21-\x3a\x3c-\x7e]*", re.ASCII).fullmatch
_is_domain: Final = re.compile(
    r"\.?[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*", re.ASCII
).fullmatch
"""Matches labels of at most 63 characters with single dots between them (RFC 1123, section 2.1)."""
_SAFE_IN_VALUE: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"
_SPACE: Final = " \t"
_BYTES: Final = {f"{left}{right}".encode(): bytes.fromhex(left + right) for left in hexdigits for right in hexdigits}
_is_encoded: Final = re.compile(r'[%"\x80-\U0010ffff]').search
"""Finds characters because of which `decode_value` may return another text."""
_decode_triplets: Final = re.compile(rb"%([0-9A-Fa-f]{2})").sub


def parse_cookies(header: str) -> list[tuple[str, str]]:
    """Return all cookies of a `Cookie` header in order, with their values as they were sent.

    >>> parse_cookies('theme=dark; kick.sid=s:abc; broken; theme="light"')
    [('theme', 'dark'), ('kick.sid', 's:abc'), ('theme', '"light"')]

    Only space and tab are stripped, so that no other white space can disguise a name such as `__Host-sid`.
    """
    found: list[tuple[str, str]] = []
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        if equals:
            name = name.strip(_SPACE)
            if name:
                found.append((name, value.strip(_SPACE)))
    return found


def decode_value(value: str) -> str:
    """Decode the value of a cookie: remove quotes and percent-encoding.

    >>> decode_value("caf%C3%A9"), decode_value('"quoted"'), decode_value("100%")
    ('café', 'quoted', '100%')

    Accepts any text and never raises.
    """
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if not value.isascii():
        value = _as_utf8(value)
    return percent_decoded(value.encode("utf-8", "surrogatepass")).decode("utf-8", "replace") if "%" in value else value


def percent_decoded(text: bytes) -> bytes:
    """Decode percent-encoding. What is none stays as it is.

    `urllib` takes a second for a mebibyte of percent signs that begin no encoding.

    >>> percent_decoded(b"caf%C3%A9 100%")
    b'caf\xc3\xa9 100%'
    """
    return _decode_triplets(_decoded_triplet, text) if b"%" in text else text


def _decoded_triplet(triplet: re.Match[bytes]) -> bytes:
    return _BYTES[triplet[1]]


def _as_utf8(value: str) -> str:
    """Decode as UTF-8, which browsers send, a text that was read as latin-1 from a header."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def cookies_by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the values of cookies by name. Of several with one name, the first counts.

    Names and values are read as UTF-8, which browsers send, and as latin-1 where they are not UTF-8.

    Browsers send the cookie with the longest path first (RFC 6265, section 5.4).

    >>> cookies_by_name([("a", "1"), ("b", "%20"), ("a", "2")])
    {'a': '1', 'b': ' '}
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if not name.isascii():
            name = _as_utf8(name)
        if name not in found:
            found[name] = decode_value(value) if _is_encoded(value) else value
    return found


def format_cookie(
    name: str,
    value: str,
    *,
    max_age: timedelta | float | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    http_only: bool = False,
    same_site: SameSite | None = "lax",
    partitioned: bool = False,
) -> str:
    """Return the value of a `Set-Cookie` header.

    Arguments:
        value: any text. Characters that a cookie cannot contain are percent-encoded; `decode_value` decodes them.
        max_age: a `timedelta` or seconds, rounded up; `None` for as long as the browser runs; 0 removes the cookie.

    >>> format_cookie("theme", "dark blue", max_age=60)
    'theme=dark%20blue; Max-Age=60; Path=/; SameSite=Lax'

    Raises `ValueError` for values that could break the header, for combinations that browsers refuse (RFC 6265bis,
    section 5.7), and for a cookie of more than 4,096 bytes with its attributes: browsers drop it without a word.
    """
    problem = attribute_problem(
        name, path=path, domain=domain, secure=secure, same_site=same_site, partitioned=partitioned
    )
    if problem is not None:
        raise ValueError(problem.cause)
    parts = [f"{name}={quote(value, safe=_SAFE_IN_VALUE)}"]
    if max_age is not None:
        seconds = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
        if not isfinite(seconds):
            raise ValueError(f"max_age is a timedelta or a number of seconds, not {max_age!r}")
        parts.append(f"Max-Age={max(0, -int(-seconds // 1))}")
        if seconds <= 0:
            parts.append("Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    parts += attributes(
        path=path, domain=domain, secure=secure, http_only=http_only, same_site=same_site, partitioned=partitioned
    )
    header = "; ".join(parts)
    if len(header) > MAX_COOKIE:
        raise ValueError(
            f"the cookie {name!r} has {len(header):,} bytes with its attributes, and browsers drop what is over "
            f"{MAX_COOKIE:,} bytes (RFC 6265, section 6.1): keep the value on the server, in the session for example"
        )
    return header


def attributes(
    *,
    path: str | None,
    domain: str | None,
    secure: bool,
    http_only: bool,
    same_site: SameSite | None,
    partitioned: bool,
) -> list[str]:
    """Return the attributes of a cookie that are the same in each response."""
    parts: list[str] = []
    if path is not None:
        parts.append(f"Path={path}")
    if domain is not None:
        parts.append(f"Domain={domain}")
    if http_only:
        parts.append("HttpOnly")
    if secure:
        parts.append("Secure")
    if same_site is not None:
        parts.append(f"SameSite={same_site.capitalize()}")
    if partitioned:
        parts.append("Partitioned")
    return parts


class CookieProblem(NamedTuple):
    """The problem of a cookie, and its fix."""

    cause: str
    fix: str


def attribute_problem(
    name: str,
    *,
    path: str | None,
    domain: str | None,
    secure: bool,
    same_site: str | None,
    partitioned: bool,
) -> CookieProblem | None:
    """Return the reason why a cookie breaks the header or is refused by browsers, or `None`.

    >>> attribute_problem("a b", path="/", domain=None, secure=True, same_site="lax", partitioned=False).cause
    "the name 'a b' is not a token (RFC 6265, section 4.1.1)"
    """
    prefix = name.lower()
    if not is_token(name):
        return CookieProblem(
            f"the name {name!r} is not a token (RFC 6265, section 4.1.1)",
            'Use letters, digits, dots and dashes: `cookie_name="kick.sid"`.',
        )
    if len(name) > _MAX_PART:
        return CookieProblem(
            f"the name has {len(name):,} bytes, and browsers drop cookies over {MAX_COOKIE:,} bytes",
            'Take a short name: `cookie_name="kick.sid"`.',
        )
    if path is not None and len(path) > _MAX_PART:
        return CookieProblem(
            f"the path has {len(path):,} bytes, and browsers ignore one over {_MAX_PART:,} bytes",
            'Take the path below which the application lives: `cookie={"path": "/app"}`.',
        )
    if path is not None and not _is_path(path):
        return CookieProblem(
            f"the path {path!r} does not start with / or holds a character that is not allowed there",
            'Begin with a slash and leave out spaces and semicolons: `cookie={"path": "/app"}`.',
        )
    if domain is not None and (len(domain) > _MAX_HOST or not _is_domain(domain)):
        return CookieProblem(
            f"the domain {domain!r} is not the name of a host",
            'Give the name of a host alone: `cookie={"domain": "example.com"}`.',
        )
    if same_site not in (None, "lax", "strict", "none"):
        return CookieProblem(
            f"same_site is 'lax', 'strict' or 'none', not {same_site!r}",
            'Take one of the three: `cookie={"same_site": "lax"}`.',
        )
    if not secure and (needs := _needs_secure(prefix, same_site, partitioned)):
        return CookieProblem(
            f"{needs} goes with secure=True only",
            'Add it: `cookie={"secure": True}`, with the other attributes you want beside it.',
        )
    if prefix.startswith("__host-") and (domain is not None or path != "/"):
        return CookieProblem(
            f"the prefix of the name {name!r} goes with no domain and the path '/' only",
            'Leave both out: `cookie={"secure": True}`.',
        )
    return None


def _needs_secure(prefix: str, same_site: str | None, partitioned: bool) -> str | None:
    if same_site == "none":
        return "same_site='none'"
    if partitioned:
        return "partitioned=True"
    if prefix.startswith(("__secure-", "__host-")):
        return f"a name that begins with {prefix.partition('-')[0]}-"
    return None

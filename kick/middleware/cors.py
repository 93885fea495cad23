"""`cors()`: the other sites that may read responses. The rules are those of Starlette's `CORSMiddleware`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from starlette.middleware.cors import CORSMiddleware

from kick.cookies import is_token
from kick.environment import in_production
from kick.errors import KickError
from kick.exceptions import BadRequest
from kick.http import CallNext, Middleware, RequestContext, Response, Route
from kick.http.response.base import add_vary, empty_response, header_line
from kick.http.routing.route import ANY_METHOD
from kick.middleware.own_response import own_response

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_PROBES: Final = ("null", "https://evil.test", "http://evil.test", "https://example.com.evil.test", "https://e")
_LABELS: Final = ("evil", "attackers-site", "a1b2c3d4e5", "zq")
_SUFFIXES: Final = (
    *("app", "at", "biz", "ch", "cloud", "co", "co.jp", "co.uk", "com", "com.au", "com.br", "de", "dev", "es", "eu"),
    *(
        "fr",
        "github.io",
        "herokuapp.com",
        "info",
        "io",
        "it",
        "me",
        "net",
        "netlify.app",
        "nl",
        "online",
        "org",
        "pages.dev",
    ),
    *("pl", "ru", "se", "shop", "site", "tech", "uk", "us", "vercel.app", "workers.dev", "xyz"),
)
"""Public suffixes under which names are registered the most; not all, for a mistake is looked for, no proof."""
_literal_end: Final = re.compile(r"(?:[a-z0-9-]|\\\.)*\\\.[a-z]+(?=\$?$)").search
_is_origin: Final = re.compile(r"https?://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?").fullmatch
_is_scheme: Final = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._-]+").fullmatch
_begins_with_scheme: Final = re.compile(r"\^?(?:\(\?:)?https?\??(?::|\\:)(?:/|\\/){2}").match
_is_sane: Final = re.compile(rb"[!-~]{1,300}").fullmatch
_is_list: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z, \t-]{0,8000}").fullmatch
_OF_BODY: Final = (b"content-length", b"content-type")
_LOCAL: Final = re.compile(r"http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?").fullmatch


def bad_origin(origin: object, reason: str, example: str) -> KickError:
    """Return the error of a text in `allow_origins` that no browser sends as an origin."""
    return KickError(
        "cors-origin",
        cause=f"cors(allow_origins=[{origin!r}]): {reason}.",
        fix=f"Write the origin as browsers send it: `allow_origins=[{example!r}]`.",
    )


def dangerous_cors(problem: str, fix: str) -> KickError:
    """Return the error for settings that open an application to unknown sites."""
    return KickError("cors-dangerous", cause=f"cors(): {problem}.", fix=fix)


def bad_cors_option(option: str, given: object, expected: str, example: str) -> KickError:
    """Return the error of an invalid option of `cors()`."""
    return KickError(
        "cors-option",
        cause=f"cors({option}={given!r}) is not {expected}.",
        fix=f"Write, for example, `{option}={example}`.",
    )


class CorsLayer(Middleware):
    """Middleware that `cors()` returns."""

    uses_session = False

    def __init__(self, rules: CORSMiddleware) -> None:
        self.rules = rules
        self._everyone = rules.allow_all_origins
        self._headers = [header_line(name, value) for name, value in rules.simple_headers.items()]

    def for_route(self, route: Route | None) -> CorsLayer | PlainCorsLayer:
        """Return this middleware; a faster one for routes that get no preflights."""
        if route is not None and any(layer is self for layer in route.middleware):
            raise KickError(
                "cors-route",
                cause=f"{route.place} has cors(). A browser first sends OPTIONS, which is another route.",
                fix='Put it around the application: `middleware=[cors(allow_origins=["https://app.example.com"])]`.',
            )
        return self if route is None or route.method in ("OPTIONS", ANY_METHOD) else PlainCorsLayer(self)

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Answer a preflight for any path; add the headers to every other response."""
        if ctx.method == "OPTIONS":
            headers = ctx.headers
            if "origin" in headers and "access-control-request-method" in headers:
                return self._preflight(ctx)
        return self.add_headers(ctx, await call_next(ctx))

    def add_headers(self, ctx: RequestContext[Any], response: Response) -> Response:
        """Add the headers that allow the site to read the response, and `Vary: Origin` for caches."""
        mine = response if response is ctx.response else own_response(ctx, response)
        if mine is None:
            return response
        headers = mine.raw_headers
        if any(name == b"access-control-allow-origin" for name, _ in headers):
            return mine  # the handler has set its own headers
        if self._everyone:
            headers += self._headers
            return mine
        for name, value in ctx.scope["headers"]:
            if name == b"origin":
                if _is_sane(value) and self.rules.is_allowed_origin(value.decode("ascii")):
                    headers += [(b"access-control-allow-origin", value), *self._headers]
                break
        add_vary(mine, b"Origin")
        return mine

    def _preflight(self, ctx: RequestContext[Any]) -> Response:
        """Return the response to a preflight by the rules of Starlette: 204, or problem details with the reasons."""
        asked = ctx.headers
        names = asked.get("access-control-request-headers", "")
        if not _is_sane(asked["origin"].encode("latin-1")) or not _is_list(names):
            raise BadRequest("Browsers do not send such a preflight.")
        answer = self.rules.preflight_response(request_headers=asked)
        if answer.status_code == 200:
            response: Response = empty_response(204)
        else:
            response = ctx.problem_response(BadRequest(bytes(answer.body).decode() + "."))
        ctx.response = response
        response.raw_headers += [header for header in answer.raw_headers if header[0] not in _OF_BODY]
        return response


class PlainCorsLayer(Middleware):
    """`cors()` for a route that answers no OPTIONS."""

    uses_session = False

    def __init__(self, cors: CorsLayer) -> None:
        self._cors = cors

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Add the headers to the response."""
        return self._cors.add_headers(ctx, await call_next(ctx))


def cors(
    *,
    allow_origins: Sequence[str] = (),
    allow_origin_regex: str | None = None,
    allow_credentials: bool = False,
    allow_methods: Sequence[str] = METHODS,
    allow_headers: Sequence[str] = (),
    expose_headers: Sequence[str] = (),
    max_age: timedelta | float = 600,
    allow_private_network: bool = False,
) -> CorsLayer:
    """Middleware that lets other sites read responses (Fetch Living Standard, section 3.2). List it first.

    Preflights are answered for every path. Errors have the headers as well, so that scripts can read them.

    Arguments:
        allow_origins: the origins as browsers send them, `"https://app.example.com"`; `["*"]` for all.
        allow_origin_regex: matched against the whole origin; dots are escaped: `r"https://[a-z0-9-]+\\.example\\.com"`.
        allow_credentials: these sites may send cookies, and read the responses.
        allow_methods: the methods that a script may send.
        allow_headers: request headers beyond those that are always allowed; `["*"]` for all.
        expose_headers: response headers that scripts may read, such as `["ratelimit", "retry-after"]`.
        max_age: the time for which browsers cache a preflight, as a `timedelta` or in seconds.
        allow_private_network: these public sites may send requests to an application in a private network or on the
            user's machine (Private Network Access, section 2.2.1).

    >>> cors(allow_origins=["https://app.example.com"], allow_credentials=True).rules.allow_credentials
    True
    >>> cors(allow_origins=["*"], allow_credentials=True)
    Traceback (most recent call last):
    kick.errors.KickError: [cors-dangerous] cors(): every site may read the data of a logged-in user.
      Fix: Name the sites: `allow_origins=["https://app.example.com"]`.

    Raises `KickError` for origins that no browser sends, and for combinations that open the application to others.
    """
    _check_origins(allow_origins, allow_credentials)
    _check_regex(allow_origin_regex, allow_credentials)
    if not allow_origins and allow_origin_regex is None:
        raise bad_cors_option("allow_origins", [*allow_origins], "a list of origins", '["https://app.example.com"]')
    _check_tokens("allow_methods", allow_methods, '["GET", "POST"]')
    _check_tokens("allow_headers", allow_headers, '["x-csrf-token"]')
    _check_tokens("expose_headers", expose_headers, '["x-total-count"]')
    if allow_credentials and "*" in expose_headers:
        raise bad_cors_option("expose_headers", ["*"], "understood with credentials", '["x-total-count"]')
    if not isinstance(allow_private_network, bool):
        raise bad_cors_option("allow_private_network", allow_private_network, "True or False", "True")
    if allow_private_network and "*" in allow_origins:
        raise dangerous_cors(
            "every site on the internet may send requests into the private network of the user",
            'Name the sites: `allow_origins=["https://app.example.com"]`.',
        )
    seconds: Any = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e9:
        raise bad_cors_option("max_age", max_age, "a number of seconds", "600")
    return CorsLayer(
        CORSMiddleware(
            _no_app,
            allow_origins=frozenset(allow_origins),
            allow_origin_regex=allow_origin_regex,
            allow_credentials=allow_credentials,
            allow_methods=tuple(allow_methods),
            allow_headers=tuple(allow_headers),
            expose_headers=tuple(expose_headers),
            max_age=int(seconds),
            allow_private_network=allow_private_network,
        )
    )


async def _no_app(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("only the rules of the middleware are used")


def _check_origins(origins: Any, credentials: bool) -> None:
    if isinstance(origins, str) or not isinstance(origins, Sequence):
        raise bad_cors_option("allow_origins", origins, "a list of origins", '["https://app.example.com"]')
    for origin in origins:
        if origin == "*":
            if credentials:
                raise dangerous_cors(
                    "every site may read the data of a logged-in user",
                    'Name the sites: `allow_origins=["https://app.example.com"]`.',
                )
        elif origin == "null":
            raise dangerous_cors(
                "sandboxed frames of every site have the origin null",
                'Name the sites: `allow_origins=["https://app.example.com"]`.',
            )
        else:
            _check_origin(origin, credentials)


def _check_origin(origin: Any, credentials: bool) -> None:
    if not isinstance(origin, str):
        raise bad_origin(origin, "an origin is a text", "https://app.example.com")
    if "*" in origin:
        raise bad_origin(
            origin,
            "a star must be the only character; use allow_origin_regex for many hosts",
            "https://app.example.com",
        )
    is_web = origin.lower().startswith(("http://", "https://"))
    if not (_is_origin(origin) if is_web else _is_scheme(origin)):
        raise bad_origin(
            origin, "browsers do not send this; an origin is a scheme, a host and perhaps a port", _nearest(origin)
        )
    if credentials and origin.startswith("http://") and in_production() and not _LOCAL(origin):
        raise dangerous_cors(
            f"{origin} is without https, so others on the network may read the data of the user",
            f"Use https: `allow_origins=[{'https' + origin[4:]!r}]`.",
        )


def _nearest(origin: str) -> str:
    """Return the origin that was probably meant, if there is one."""
    lower = origin.strip().lower()
    head, mark, rest = lower.partition("://")
    near = (head if mark else "https") + "://" + re.split(r"[/?#]", rest if mark else lower)[0]
    return near if _is_origin(near) else "https://app.example.com"


def _check_regex(pattern: Any, credentials: bool) -> None:
    if pattern is None:
        return
    example = r'r"https://[a-z0-9-]+\.example\.com"'
    fix = f"Begin with the scheme, and escape the dots: `allow_origin_regex={example}`."
    try:
        matches = re.compile(pattern).fullmatch
    except (re.error, TypeError):
        raise bad_cors_option("allow_origin_regex", pattern, "a regular expression", example) from None
    if not _begins_with_scheme(pattern):
        raise dangerous_cors(f"allow_origin_regex={pattern!r} does not begin with https://", fix)
    if credentials and in_production() and not re.match(r"\^?(?:\(\?:)?https(?!\?)", pattern):
        raise dangerous_cors(f"allow_origin_regex={pattern!r} allows sites without https", fix)
    probes = (*_PROBES, *(_sites_of_anybody(pattern) if credentials else ()))
    found = next((each for each in probes if matches(each)), None)
    if found is not None:
        raise dangerous_cors(f"allow_origin_regex={pattern!r} allows sites of anybody, such as {found}", fix)
    if _has_bare_dot(pattern):
        raise dangerous_cors(f"a dot in allow_origin_regex={pattern!r} matches any character", fix)


def _sites_of_anybody(pattern: str) -> Iterator[str]:
    """Return origins that anybody can register: names below public suffixes, and names that end like the own one.

    >>> "https://evilexample.com" in _sites_of_anybody(r"https://[a-z.]*example\\.com")
    True
    """
    for label in _LABELS:
        for suffix in _SUFFIXES:
            yield f"https://{label}.{suffix}"
    tail = _literal_end(pattern)
    if tail is not None and not tail[0].startswith("\\."):
        yield "https://evil" + tail[0].replace("\\", "")


def _has_bare_dot(pattern: str) -> bool:
    """Return true if a dot is not escaped and not in brackets.

    >>> _has_bare_dot(r"https://a.example\\.com"), _has_bare_dot(r"https://[a.]+\\.example\\.com")
    (True, False)
    """
    outside = re.sub(r"\[\^?\]?(?:\\.|[^\]\\])*\]", "", re.sub(r"\\.", "", pattern))
    return "." in outside


def _check_tokens(option: str, given: Any, example: str) -> None:
    if isinstance(given, str) or not all(isinstance(each, str) and is_token(each) for each in given):
        raise bad_cors_option(option, given, "a list of names", example)

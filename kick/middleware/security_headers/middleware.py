"""`security_headers()`: headers with which browsers restrict the use of a response."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from kick.errors import KickError
from kick.http import CallNext, MountedResponse, RequestContext, Response
from kick.http.response.base import JSON
from kick.middleware.own_response import own_response
from kick.middleware.per_route import PerRoute
from kick.middleware.security_headers.csp import Directives, Policy, policy_of

Header: TypeAlias = tuple[bytes, bytes]

PERMISSIONS: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {"camera": (), "display-capture": (), "geolocation": (), "microphone": (), "payment": (), "usb": ()}
)
"""The features that pages and embedded frames may not use by default."""

_DOCUMENTS: Final = (b"text/html", b"text/xml", b"application/xml")
"""The media types that browsers show as pages with scripts, besides all that end with `+xml`."""

_REFERRER_POLICIES: Final = frozenset(
    [
        "no-referrer",
        "no-referrer-when-downgrade",
        "origin",
        "origin-when-cross-origin",
        "same-origin",
        "strict-origin",
        "strict-origin-when-cross-origin",
        "unsafe-url",
    ]
)
_OPENER_POLICIES: Final = frozenset(["unsafe-none", "same-origin-allow-popups", "same-origin", "noopener-allow-popups"])
_SOURCES: Final = frozenset(["same-origin", "same-site", "cross-origin"])
_DATA: Final = frozenset([b"", b"application/json", b"application/x-ndjson", b"text/plain"])
_YEAR: Final = 31_536_000
_NOT_MODIFIED: Final = 304
"""A cache puts the headers of a 304 into the response that it has (RFC 9111, section 3.2), whose type is not known."""

NOTHING: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""The policy of data, in case that a browser shows it as a page."""

_is_feature: Final = re.compile(r"[a-z][a-z0-9-]*").fullmatch
_is_origin: Final = re.compile(r"https?://[A-Za-z0-9.*:\[\]-]+").fullmatch


def bad_security_header(option: str, given: object, expected: str, example: str) -> KickError:
    """Return the error of an invalid value of a security header."""
    return KickError(
        "security-header",
        cause=f"security_headers({option}={given!r}) is not {expected}.",
        fix=f"Write, for example, `security_headers({example})`; None omits the header.",
    )


class Headers(NamedTuple):
    """The headers for each kind of response."""

    documents: tuple[Header, ...]
    """For pages."""
    data: tuple[Header, ...]
    """For JSON, plain text and responses without content, except 304."""
    rest: tuple[Header, ...]
    """For scripts, stylesheets, pictures, downloads and 304. A policy of them would affect workers and viewers."""


class SecurityHeadersLayer(PerRoute):
    """Middleware that `security_headers()` returns; it holds the headers for each kind of response."""

    uses_session = False

    def __init__(
        self,
        everywhere: Sequence[Header] = (),
        *,
        documents: Sequence[Header] = (),
        data: Sequence[Header] = (),
        hsts: Header | None = None,
        policies: Sequence[tuple[bytes, Policy]] = (),
    ) -> None:
        self._plain = Headers((*everywhere, *documents), (*everywhere, *data), tuple(everywhere))
        strict = () if hsts is None else (hsts,)
        self._secure = Headers(*((*headers, *strict) for headers in self._plain))
        self._policies = tuple(policies)

    @property
    def is_idle(self) -> bool:
        """True if all headers are switched off."""
        return not (any(self._secure) or self._policies)

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Add the headers that the handler has not set."""
        response = await call_next(ctx)
        mine = response if response is ctx.response else own_response(ctx, response)
        if mine is None:
            return response
        headers = mine.raw_headers
        kinds = self._secure if ctx.scope.get("scheme") == "https" else self._plain
        is_json = len(headers) > 1 and headers[1][1] is JSON
        if is_json and len(headers) == 2:
            headers += kinds.data
            return mine
        if isinstance(mine, MountedResponse):
            mine.unless_set += kinds.rest
            return mine
        names = {name for name, _ in headers}
        media_type = b"application/json" if is_json else _media_type(headers)
        if not _is_document(media_type):
            more = kinds.data if _is_data(media_type) and mine.status_code != _NOT_MODIFIED else kinds.rest
            headers += [each for each in more if each[0] not in names]
            return mine
        headers += [each for each in kinds.documents if each[0] not in names]
        for name, policy in self._policies:
            if name not in names:
                nonce = ctx.generated_csp_nonce
                headers.append((name, policy.plain if nonce is None else policy.with_nonce(nonce)))
        return mine


def security_headers(
    *,
    enabled: bool = True,
    csp: Directives | None = MappingProxyType({}),
    csp_report_only: Directives | None = None,
    hsts: timedelta | float | None = timedelta(days=365),
    hsts_subdomains: bool = False,
    hsts_preload: bool = False,
    referrer_policy: str | None = "strict-origin-when-cross-origin",
    opener_policy: str | None = "same-origin",
    resource_policy: str | None = "same-origin",
    permissions: Mapping[str, Sequence[str] | None] | None = MappingProxyType({}),
    no_sniff: bool = True,
) -> SecurityHeadersLayer:
    """Middleware that adds security headers (OWASP HTTP Headers Cheat Sheet). Headers of the handler are kept.

    Every response gets `X-Content-Type-Options` and `Cross-Origin-Resource-Policy`, and over https
    `Strict-Transport-Security`. Documents (HTML, and all XML, such as XHTML and SVG) also get the other headers,
    except those of mounted applications. JSON, plain text and responses without content have a policy that allows
    nothing; a 304 has none, because it would replace that of the page that the client has.

    Arguments:
        enabled: `False` switches all headers off, for the application or, with `@Use`, for a route.
        csp: directives that replace those of the default policy. The default allows resources of the same origin, and
            scripts and styles with `nonce="{{ ctx.csp_nonce }}"`. `{"img-src": None}` removes a directive, `None` all.
        csp_report_only: the same for a policy that is only reported; by default there is none.
        hsts: the time for which browsers use only https (RFC 6797), as a `timedelta` or in seconds; sent over https.
        hsts_subdomains: also for the subdomains.
        hsts_preload: agree to be on the list that is built into browsers.
        referrer_policy: the URL that links send to other sites.
        opener_policy: the windows that share a browsing context group (`Cross-Origin-Opener-Policy`).
        resource_policy: the sites that may embed responses (`Cross-Origin-Resource-Policy`): `"same-origin"`,
            `"same-site"` or `"cross-origin"`. It does not affect CORS requests.
        permissions: features and the origins that may use them, `"self"`, `"*"` or addresses:
            `{"camera": ["self"]}`. The default forbids camera, geolocation, microphone, payment and others.
        no_sniff: browsers do not guess another content type.

    >>> layer = security_headers(csp={"img-src": "'self' https://img.example.com"}, referrer_policy=None)
    >>> security_headers(referrer_policy="none")
    Traceback (most recent call last):
    kick.errors.KickError: [security-header] security_headers(referrer_policy='none') is not one of ...
      Fix: Write, for example, `security_headers(referrer_policy="no-referrer")`; None omits the header.

    Raises `KickError` for an invalid value.
    """
    policies = [(b"content-security-policy", csp), (b"content-security-policy-report-only", csp_report_only)]
    compiled = [(name, policy_of(given)) for name, given in policies if given is not None]
    documents = [
        *_one_of("referrer_policy", b"referrer-policy", referrer_policy, _REFERRER_POLICIES, "no-referrer"),
        *_one_of("opener_policy", b"cross-origin-opener-policy", opener_policy, _OPENER_POLICIES, "same-origin"),
        *_permissions(permissions),
    ]
    strict = _hsts(hsts, subdomains=hsts_subdomains, preload=hsts_preload)
    if not enabled:
        return SecurityHeadersLayer()
    return SecurityHeadersLayer(
        [
            *([(b"x-content-type-options", b"nosniff")] if no_sniff else []),
            *_one_of("resource_policy", b"cross-origin-resource-policy", resource_policy, _SOURCES, "same-site"),
        ],
        documents=documents,
        data=[] if csp is None else [NOTHING],
        hsts=strict,
        policies=[(name, policy) for name, policy in compiled if policy is not None],
    )


def _media_type(headers: Sequence[Header]) -> bytes:
    """Return the media type in lower case, without parameters; nothing if there is none."""
    return next((value for name, value in headers if name == b"content-type"), b"").lower().partition(b";")[0].rstrip()


def _is_document(media_type: bytes) -> bool:
    return media_type.startswith(_DOCUMENTS) or media_type.endswith(b"+xml")


def _is_data(media_type: bytes) -> bool:
    return media_type in _DATA or media_type.endswith(b"+json")


def _one_of(option: str, name: bytes, value: object, known: frozenset[str], example: str) -> list[Header]:
    if value is None:
        return []
    if not isinstance(value, str) or value not in known:
        raise bad_security_header(option, value, f"one of {', '.join(sorted(known))}", f'{option}="{example}"')
    return [(name, value.encode("ascii"))]


def _hsts(given: Any, *, subdomains: bool, preload: bool) -> Header | None:
    if given is None:
        return None
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e10:
        raise bad_security_header("hsts", given, "a number of seconds", "hsts=timedelta(days=365)")
    if preload and not (subdomains and seconds >= _YEAR):
        raise bad_security_header(
            "hsts_preload",
            preload,
            "possible without the subdomains, and a year",
            "hsts=timedelta(days=365), hsts_subdomains=True, hsts_preload=True",
        )
    value = f"max-age={int(seconds)}" + "; includeSubDomains" * subdomains + "; preload" * preload
    return b"strict-transport-security", value.encode("ascii")


def _permissions(given: Any) -> list[Header]:
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise bad_security_header("permissions", given, "a mapping of features", 'permissions={"camera": ["self"]}')
    merged = {name: origins for name, origins in {**PERMISSIONS, **given}.items() if origins is not None}
    value = ", ".join(f"{name}={_allowed(name, origins)}" for name, origins in merged.items())
    return [(b"permissions-policy", value.encode("ascii"))] if merged else []


def _allowed(feature: object, origins: Any) -> str:
    example = f'permissions={{"{feature}": ["self"]}}'
    if not isinstance(feature, str) or not _is_feature(feature):
        raise bad_security_header("permissions", feature, "a feature", 'permissions={"camera": ["self"]}')
    if isinstance(origins, str) or not isinstance(origins, Sequence):
        raise bad_security_header("permissions", {feature: origins}, "a list of origins", example)
    for origin in origins:
        if origin not in ("self", "*") and not (isinstance(origin, str) and _is_origin(origin)):
            raise bad_security_header("permissions", {feature: origin}, '"self", "*" or an origin', example)
    if "*" in origins:
        return "*"
    return "(" + " ".join(each if each == "self" else f'"{each}"' for each in origins) + ")"

"""`security_headers()`: what browsers are told about a response, so that less can be done with it."""

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
"""The features that pages may not use by default, nor what they embed."""

_DOCUMENTS: Final = (b"text/html", b"text/xml", b"application/xml")
"""The media types that browsers show as pages, with scripts that run; so are all whose names end with `+xml`."""

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

NOTHING: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""The policy of data, should a browser be made to show it as a page."""

_is_feature: Final = re.compile(r"[a-z][a-z0-9-]*").fullmatch
_is_origin: Final = re.compile(r"https?://[A-Za-z0-9.*:\[\]-]+").fullmatch


def bad_security_header(option: str, given: object, expected: str, example: str) -> KickError:
    """Return a value of a security header that browsers would not understand."""
    return KickError(
        "security-header",
        cause=f"security_headers({option}={given!r}) is not {expected}.",
        fix=f"Write, for example, `security_headers({example})`; None leaves the header out.",
    )


class Headers(NamedTuple):
    """The headers for each kind of response."""

    documents: tuple[Header, ...]
    """For what browsers show as a page."""
    data: tuple[Header, ...]
    """For JSON, plain text and responses without content: what no page is made of."""
    rest: tuple[Header, ...]
    """For scripts, stylesheets, pictures, downloads: their own policies would hold for workers and viewers."""


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
        """True if all of it is switched off."""
        return not (any(self._secure) or self._policies)

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Add what the handler has not set."""
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
            more = kinds.data if _is_data(media_type) else kinds.rest
            headers += [each for each in more if each[0] not in names]
            return mine
        headers += [each for each in kinds.documents if each[0] not in names]
        for name, policy in self._policies:
            if name not in names:
                nonce = ctx.drawn_csp_nonce
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
    """Middleware that adds security headers (OWASP HTTP Headers Cheat Sheet); one that the handler set stays.

    Every response gets `X-Content-Type-Options` and `Cross-Origin-Resource-Policy`, and over https
    `Strict-Transport-Security`. Documents (HTML, and all of XML, such as XHTML and SVG) get the rest too; those of
    mounted applications do not. JSON, plain text and responses without content have a policy that allows nothing.

    Arguments:
        enabled: `False` switches all of it off, for the application or, with `@Use`, for a route.
        csp: directives in place of those of the default policy, which allows what comes from the same origin, and
            scripts and styles with `nonce="{{ ctx.csp_nonce }}"`. `{"img-src": None}` takes one away, `None` all.
        csp_report_only: the same for a policy that is reported and not enforced; none by default.
        hsts: how long browsers use https only (RFC 6797), a `timedelta` or seconds; sent over https only.
        hsts_subdomains: for the subdomains too.
        hsts_preload: agree to the list that browsers come with.
        referrer_policy: what links tell other sites.
        opener_policy: which windows share a browsing context group (`Cross-Origin-Opener-Policy`).
        resource_policy: who may embed responses without asking (`Cross-Origin-Resource-Policy`): `"same-origin"`,
            `"same-site"` or `"cross-origin"`. Requests by `cors()` are not concerned.
        permissions: features and the origins that may use them, `"self"`, `"*"` or addresses:
            `{"camera": ["self"]}`. The default allows camera, geolocation, microphone, payment and the like to nobody.
        no_sniff: browsers take the content type as it is.

    >>> layer = security_headers(csp={"img-src": "'self' https://img.example.com"}, referrer_policy=None)
    >>> security_headers(referrer_policy="none")
    Traceback (most recent call last):
    kick.errors.KickError: [security-header] security_headers(referrer_policy='none') is not one of ...
      Fix: Write, for example, `security_headers(referrer_policy="no-referrer")`; None leaves the header out.

    Raises `KickError` for a value that browsers would not understand.
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

"""`csrf()`: protection against requests that another site sends with the user's cookies (CSRF).

A request that changes something is accepted if the browser states that a page of this site has sent it
(`Sec-Fetch-Site`, Fetch Metadata; `Origin`, RFC 6454), and rejected if the browser states another site. If the browser
states nothing, the request needs the CSRF token of its session.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, overload
from urllib.parse import urlsplit

from kick.errors import KickError, raise_all
from kick.exceptions import Forbidden
from kick.http import CallNext, Description, Middleware, RequestContext, Response, Route, Settings
from kick.http.errors import list_problem, middleware_order
from kick.http.request.body import FORM, MULTIPART, WITHOUT_BODY
from kick.http.routing.route import ANY_METHOD
from kick.middleware.session import SessionLayer
from kick.session.csrf_token import has_digest, is_token_of
from kick.session.errors import bad_trusted_origin, session_needed
from kick.session.session import Session
from kick.session.state import Status

HEADER: Final = "X-CSRF-Token"
FIELD: Final = "csrf_token"

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""

_EXEMPT: Final = "__kick_csrf_exempt__"
_RAW_HEADER: Final = HEADER.lower().encode()
_NO_SESSION: Final = (
    "The session of this request does not exist (any more), so its token is not valid. Load the page again for a new "
    "one, or send the request without the cookie."
)
_SUPERSEDED: Final = (
    "The session has a new id, as after a login, and this request has the cookie of the old one. Load the page again: "
    "the browser then sends the cookie that came with the new id, and the page has a valid token. A client that never "
    "received that cookie must delete the old one, and log in again."
)
_DEFAULT_PORTS: Final = {b"http": b":80", b"https": b":443"}

Target = TypeVar("Target", bound=Callable[..., Any])


class Proof(enum.Enum):
    """The evidence in the headers for the origin of a request, if they do not name another site."""

    SAME_ORIGIN = "same origin"
    UNCLEAR = "unclear"
    """A browser has sent it, without its origin: `Origin: null`, `Sec-Fetch-Site: none`."""
    SILENT = "silent"
    """Both headers are missing: the client is an old browser, or no browser."""


class CsrfLayer(Middleware):
    """Middleware that `csrf()` returns."""

    def __init__(self, trusted: frozenset[bytes]) -> None:
        self._trusted = trusted

    def for_route(self, route: Route | None) -> CsrfLayer | None:
        """Return nothing for safe methods, routes without a session, and exempt handlers; otherwise this middleware."""
        if route is None or route.method in SAFE_METHODS or route.has_no_session:
            return None
        # Not `getattr` of the controller: a class that is derived from an exempt one may serve browsers.
        if getattr(route.handler, _EXEMPT, False) or vars(route.controller or object).get(_EXEMPT, False):
            return None
        return MountCsrfLayer(self._trusted) if route.method == ANY_METHOD else self

    def check(self, before: Sequence[Any], after: Sequence[Any]) -> list[KickError]:
        """Return the mistakes in its place among the middleware."""
        if any(isinstance(layer, SessionLayer) for layer in before):
            return []
        if any(isinstance(layer, SessionLayer) for layer in after):
            problem = "csrf() is listed before session(), but needs its token."
            return [middleware_order(problem, "session(secret=secret), csrf()")]
        return [session_needed("csrf()", "csrf()")]

    def describe(self, route: Route | None) -> Description:
        """Return its error, 403, and the token in its header."""
        token = {"type": "apiKey", "in": "header", "name": HEADER, "description": "The CSRF token of the session."}
        return Description(
            errors={403: "The request may come from another site (CSRF)."},
            security_with_cookies=("csrf",),
            schemes={"csrf": token},
        )

    def configure(self, settings: Settings) -> None:
        """Add `csrf_token()` and `csrf_input()` to the templates, if there are any."""
        if settings.templates is not None:
            settings.templates.add_functions({"csrf_token": _token_of, "csrf_input": _input_of})

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Pass the request on, or reject it."""
        site = origin = token = None
        for name, value in ctx.scope["headers"]:
            if name == b"sec-fetch-site":
                site = value
            elif name == b"origin":
                origin = value
            elif name == _RAW_HEADER:
                token = value
        if site != b"same-origin" or token is not None:
            proof = self._proof_of(ctx, site, origin)
            await _check_token(ctx, proof, None if token is None else token.decode("latin-1"))
        return await call_next(ctx)

    def _proof_of(self, ctx: RequestContext[Any], site: bytes | None, origin: bytes | None) -> Proof:
        """Evaluate the headers. Raises `Forbidden` for a request from another site."""
        if site == b"same-origin" or (origin is not None and origin in self._trusted):
            return Proof.SAME_ORIGIN
        if site is not None and site != b"none":
            raise _refused(
                "csrf-cross-site",
                "The browser states that a page of another origin has sent this. To allow it, add the origin: "
                "csrf(trusted_origins=[...]).",
            )
        if origin is None:
            return Proof.SILENT if site is None else Proof.UNCLEAR
        if origin == b"null":
            return Proof.UNCLEAR
        if _is_own(origin, ctx):
            return Proof.SAME_ORIGIN
        raise _refused(
            "csrf-origin",
            "The Origin of this request differs from its URL: scheme, host and port must be "
            "equal. Behind a proxy, configure the trusted proxies. Or add the origin: "
            "csrf(trusted_origins=[...]).",
        )


class MountCsrfLayer(CsrfLayer):
    """`csrf()` for a mounted application, which accepts any method.

    The handshake of a WebSocket is checked although it is a GET, because a connection may change anything.
    """

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Pass the request on, or reject it."""
        if ctx.method in SAFE_METHODS and not ctx.is_handshake:
            return await call_next(ctx)
        return await super().__call__(ctx, call_next)


async def _check_token(ctx: RequestContext[Any], proof: Proof, token: str | None) -> None:
    """Raise `Forbidden` if a token is wrong, or missing and required.

    If the browser states the origin, no token is required. But one that is sent must be that of the session; otherwise
    the page belongs to another session. Without a session cookie, the request acts for no user.
    """
    session = ctx.opened_session
    if session is None:
        return
    is_stored = session.state.status is Status.STORED
    # Without a stored session, the token belongs to the id of a cookie that no other client has.
    own = None if session.state.cookie_came else session.operations.options.token.read(ctx.scope["headers"])
    if proof is Proof.SAME_ORIGIN and (token is None or not (is_stored or own)):
        return
    if proof is Proof.SILENT and not is_stored and not session.state.cookie_came and own is None:
        return  # but a cookie with a former name may have a living session
    session.state.touch()  # a store that is down is a 503
    if not is_stored and session.state.cookie_came:
        raise _refused("csrf-session", _SUPERSEDED if session.state.status is Status.SUPERSEDED else _NO_SESSION)
    if token is None and (is_stored or own is not None):
        token = await _token_in_form(ctx)
    if token is None:
        raise _refused(
            "csrf-token-missing",
            f"Send ctx.session.csrf_token, in the header {HEADER} or the form field {FIELD}.",
        )
    if not (_is_right(token, session) if is_stored else (own is not None and has_digest(token, own))):
        raise _refused(
            "csrf-token-invalid",
            "This is not the token of the session. It changes with the session id, as at a login, also at one in "
            "another tab. Load the page again: it then has the new token.",
        )


def _is_right(token: str, session: Session[Any]) -> bool:
    """Return true if a token is that of the session, or of the id in the cookie, which a rotation has just replaced."""
    if is_token_of(session.id, token):
        return True
    claim = session.state.claim
    return claim is not None and is_token_of(claim.session_id, token)


async def _token_in_form(ctx: RequestContext[Any]) -> str | None:
    """Return the token in the field of a form; `None` if the handler reads the body itself.

    A multipart form for a mounted application is not read either, because its body could not be repeated.
    """
    route = ctx.route
    streams = route is not None and route.info.stream
    forms = (FORM,) if route is not None and route.method == ANY_METHOD else (FORM, MULTIPART)
    if streams or ctx.method in WITHOUT_BODY or ctx.media_type not in forms:
        return None
    for layer in (*ctx.settings.layers, *(() if route is None else route.middleware)):
        if isinstance(layer, Middleware):
            await layer.admit(ctx)
    await ctx.read()
    value = ctx.form.get(FIELD)
    return value if isinstance(value, str) else None


def _is_own(origin: bytes, ctx: RequestContext[Any]) -> bool:
    scheme, _, host = origin.partition(b"://")
    if scheme.decode("latin-1") != ctx.scope.get("scheme", "http"):
        return False
    port = _DEFAULT_PORTS.get(scheme, b"")
    hosts = [value for name, value in ctx.scope["headers"] if name == b"host"]
    return len(hosts) == 1 and host.lower().removesuffix(port) == hosts[0].lower().removesuffix(port) != b""


def _refused(code: str, detail: str) -> Forbidden:
    return Forbidden(detail, code=code)


def _token_of(values: Mapping[str, Any]) -> str:
    """Return the token, for `{{ csrf_token() }}` in a template."""
    return str(values["ctx"].session.csrf_token)


def _input_of(values: Mapping[str, Any]) -> Any:
    """Return the hidden field of a form, for `{{ csrf_input() }}` in a template."""
    from markupsafe import Markup

    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, _token_of(values))


@overload
def CsrfExempt(target: Target, /) -> Target: ...
@overload
def CsrfExempt() -> Callable[[Target], Target]: ...
def CsrfExempt(target: Any = None, /) -> Any:
    """Exempt a handler, or all handlers of a controller, from `csrf()`.

    It is for requests of other servers, which have their own signature. The parentheses may be left out. A controller
    that inherits from an exempt one is not exempt.

    Arguments:
        target: the handler or controller, if the parentheses are left out.

    >>> from kick import Controller, Post
    >>> @Controller("/hooks")
    ... class HookController:
    ...     @CsrfExempt
    ...     @Post("/payment")
    ...     async def payment(self) -> None: ...
    """

    def decorate(target: Any) -> Any:
        setattr(target, _EXEMPT, True)
        return target

    return decorate if target is None else decorate(target)


def csrf(*, trusted_origins: Sequence[str] = ()) -> CsrfLayer:
    """Middleware that rejects requests of pages of other sites (CSRF). List it after `session()`.

    Arguments:
        trusted_origins: other origins whose pages may send requests here: `https://admin.example.com`.

    | headers of the request | result |
    |---|---|
    | `Sec-Fetch-Site: same-origin` | accepted |
    | `Sec-Fetch-Site: same-site` or `cross-site` | 403, except for trusted origins |
    | an `Origin`, with no `Sec-Fetch-Site` or `none` | accepted if it equals that of the URL, otherwise 403 |
    | `Origin: null`, or `Sec-Fetch-Site: none` alone | the token is required |
    | none of them | accepted without a session cookie; with one the token is required |

    The token, `ctx.session.csrf_token`, is sent in the header `X-CSRF-Token` or the form field `csrf_token`. The header
    is always checked. A form is read only if the token is required and the header is missing.

    GET, HEAD and OPTIONS are never rejected, so they must not change anything. Routes with `session=False` are not
    protected. Every 403 has a `code`: `csrf-cross-site`, `csrf-origin`, `csrf-token-missing`, `csrf-token-invalid`,
    `csrf-session`.

    Raises `KickError`: `csrf-trusted-origin` for an invalid origin.

    >>> csrf(trusted_origins=["https://admin.example.com"])
    <kick.middleware.csrf.CsrfLayer object at ...>
    """
    no_list = list_problem(trusted_origins, "trusted_origins", "csrf()")
    raise_all([no_list] if no_list else [])
    raise_all(bad_trusted_origin(each) for each in trusted_origins if not _is_origin(each))
    return CsrfLayer(frozenset(each.encode("ascii") for each in trusted_origins))


def _is_origin(text: object) -> bool:
    """Return true if a text is an origin as browsers write it: in lower case, and without a default port."""
    if not isinstance(text, str) or not text.isascii():
        return False
    try:
        parts = urlsplit(text)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return False
    is_default = port.encode() == _DEFAULT_PORTS.get(parts.scheme.encode())
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    plain = bool(host) and not set(host) & set(" *\t")
    return plain and not is_default and text == f"{parts.scheme}://{host}{port}"

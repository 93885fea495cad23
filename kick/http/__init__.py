"""The HTTP side: controllers, contexts, responses, errors."""

# ruff: noqa: TC004  # type checkers see these imports, and `hand_on` makes the others

from typing import TYPE_CHECKING

from kick.http.conditional import conditional
from kick.http.context import RequestContext
from kick.http.controller import Controller, Delete, Get, Head, Options, Patch, Post, Put, Use, WebSocket
from kick.http.cookies import cookie_parser
from kick.http.markers import Cookie, FromCookie, FromHeader, Header
from kick.http.mounts import Mount
from kick.http.pipeline import CallNext, Middleware
from kick.http.problem import (
    BadGateway,
    BadRequest,
    Conflict,
    Forbidden,
    GatewayTimeout,
    Gone,
    HTTPError,
    InternalServerError,
    Locked,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    NotImplementedHere,
    PayloadTooLarge,
    PreconditionFailed,
    RequestTimeout,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    UnprocessableEntity,
    UnsupportedMediaType,
    URITooLong,
)
from kick.http.response import Response
from kick.http.routing import Route
from kick.http.sse import ServerSentEvent
from kick.http.templates import JinjaTemplates
from kick.http.uploads import File, UploadFile
from kick.names import hand_on

if TYPE_CHECKING:
    from kick.http.frames import InvalidMessage
    from kick.http.proxies import TrustedProxies
    from kick.http.static import StaticFiles
    from kick.http.websocket import Socket, SocketClosed
else:
    hand_on(
        __name__,
        {
            "kick.http.frames": ("InvalidMessage",),
            "kick.http.proxies": ("TrustedProxies",),
            "kick.http.static": ("StaticFiles",),
            "kick.http.websocket": ("Socket", "SocketClosed"),
        },
    )

__all__ = [
    "BadGateway",
    "BadRequest",
    "CallNext",
    "Conflict",
    "Controller",
    "Cookie",
    "Delete",
    "File",
    "Forbidden",
    "FromCookie",
    "FromHeader",
    "GatewayTimeout",
    "Get",
    "Gone",
    "HTTPError",
    "Head",
    "Header",
    "InternalServerError",
    "InvalidMessage",
    "JinjaTemplates",
    "Locked",
    "MethodNotAllowed",
    "Middleware",
    "Mount",
    "NotAcceptable",
    "NotFound",
    "NotImplementedHere",
    "Options",
    "Patch",
    "PayloadTooLarge",
    "Post",
    "PreconditionFailed",
    "Put",
    "RequestContext",
    "RequestTimeout",
    "Response",
    "Route",
    "ServerSentEvent",
    "ServiceUnavailable",
    "Socket",
    "SocketClosed",
    "StaticFiles",
    "TooManyRequests",
    "TrustedProxies",
    "URITooLong",
    "Unauthorized",
    "UnprocessableEntity",
    "UnsupportedMediaType",
    "UploadFile",
    "Use",
    "WebSocket",
    "conditional",
    "cookie_parser",
]

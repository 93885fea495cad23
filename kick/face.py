"""The names that `kick` hands on; what a plain application does without is loaded when it is asked for."""

# ruff: noqa: TC004  # type checkers see these imports, and `hand_on` makes the others

from typing import TYPE_CHECKING

from kick.app import App, bootstrap
from kick.di import Provider, Service
from kick.errors import KickError
from kick.http import (
    BadRequest,
    Conflict,
    Controller,
    Cookie,
    Delete,
    File,
    Forbidden,
    Get,
    Gone,
    Head,
    Header,
    HTTPError,
    NotFound,
    Options,
    Patch,
    PayloadTooLarge,
    Post,
    Put,
    RequestContext,
    Response,
    ServerSentEvent,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    UnprocessableEntity,
    UnsupportedMediaType,
    UploadFile,
    Use,
    WebSocket,
)
from kick.module import Module
from kick.names import hand_on

if TYPE_CHECKING:
    from kick.health import Health
    from kick.http import InvalidMessage, Socket, SocketClosed
    from kick.session import Session, Sessions
else:
    hand_on(
        __name__,
        {
            "kick.health": ("Health",),
            "kick.http": ("InvalidMessage", "Socket", "SocketClosed"),
            "kick.session": ("Session", "Sessions"),
        },
    )

__all__ = [
    "App",
    "BadRequest",
    "Conflict",
    "Controller",
    "Cookie",
    "Delete",
    "File",
    "Forbidden",
    "Get",
    "Gone",
    "HTTPError",
    "Head",
    "Header",
    "Health",
    "InvalidMessage",
    "KickError",
    "Module",
    "NotFound",
    "Options",
    "Patch",
    "PayloadTooLarge",
    "Post",
    "Provider",
    "Put",
    "RequestContext",
    "Response",
    "ServerSentEvent",
    "Service",
    "ServiceUnavailable",
    "Session",
    "Sessions",
    "Socket",
    "SocketClosed",
    "TooManyRequests",
    "Unauthorized",
    "UnprocessableEntity",
    "UnsupportedMediaType",
    "UploadFile",
    "Use",
    "WebSocket",
    "bootstrap",
]

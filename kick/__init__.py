"""kick: a web framework with controllers, dependency injection and reliable sessions."""

from typing import TYPE_CHECKING

from kick.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from kick.app import App as App
    from kick.app import bootstrap as bootstrap
    from kick.di.provider import Provider as Provider
    from kick.di.provider import Service as Service
    from kick.di.scope import Scopes as Scopes
    from kick.errors import KickError as KickError
    from kick.exceptions import BadRequest as BadRequest
    from kick.exceptions import Conflict as Conflict
    from kick.exceptions import Forbidden as Forbidden
    from kick.exceptions import Gone as Gone
    from kick.exceptions import HTTPError as HTTPError
    from kick.exceptions import NotFound as NotFound
    from kick.exceptions import PayloadTooLarge as PayloadTooLarge
    from kick.exceptions import ServiceUnavailable as ServiceUnavailable
    from kick.exceptions import TooManyRequests as TooManyRequests
    from kick.exceptions import Unauthorized as Unauthorized
    from kick.exceptions import UnprocessableEntity as UnprocessableEntity
    from kick.exceptions import UnsupportedMediaType as UnsupportedMediaType
    from kick.health import Health as Health
    from kick.http.context.context import RequestContext as RequestContext
    from kick.http.exception_handlers import ExceptionHandler as ExceptionHandler
    from kick.http.exception_handlers import OnError as OnError
    from kick.http.handlers.form import Form as Form
    from kick.http.handlers.parameters import Body as Body
    from kick.http.handlers.parameters import Cookie as Cookie
    from kick.http.handlers.parameters import Header as Header
    from kick.http.handlers.parameters import Query as Query
    from kick.http.middleware import Middleware as Middleware
    from kick.http.response.base import Response as Response
    from kick.http.response.sse import ServerSentEvent as ServerSentEvent
    from kick.http.routing.decorators import Controller as Controller
    from kick.http.routing.decorators import Delete as Delete
    from kick.http.routing.decorators import Get as Get
    from kick.http.routing.decorators import Head as Head
    from kick.http.routing.decorators import Options as Options
    from kick.http.routing.decorators import Patch as Patch
    from kick.http.routing.decorators import Post as Post
    from kick.http.routing.decorators import Put as Put
    from kick.http.routing.decorators import Use as Use
    from kick.http.routing.decorators import WebSocket as WebSocket
    from kick.http.routing.raises import Raises as Raises
    from kick.http.uploads import File as File
    from kick.http.uploads import UploadFile as UploadFile
    from kick.http.websocket.messages import InvalidMessage as InvalidMessage
    from kick.http.websocket.socket import Socket as Socket
    from kick.http.websocket.socket import SocketClosed as SocketClosed
    from kick.module import Module as Module
    from kick.session.devices import Sessions as Sessions
    from kick.session.session import Session as Session
else:
    __all__ = lazy_exports(
        __name__,
        {
            "kick.app": ("App", "bootstrap"),
            "kick.di.provider": ("Provider", "Service"),
            "kick.di.scope": ("Scopes",),
            "kick.errors": ("KickError",),
            "kick.exceptions": (
                "BadRequest",
                "Conflict",
                "Forbidden",
                "Gone",
                "HTTPError",
                "NotFound",
                "PayloadTooLarge",
                "ServiceUnavailable",
                "TooManyRequests",
                "Unauthorized",
                "UnprocessableEntity",
                "UnsupportedMediaType",
            ),
            "kick.health": ("Health",),
            "kick.http.context.context": ("RequestContext",),
            "kick.http.exception_handlers": ("ExceptionHandler", "OnError"),
            "kick.http.handlers.form": ("Form",),
            "kick.http.handlers.parameters": ("Body", "Cookie", "Header", "Query"),
            "kick.http.uploads": ("File", "UploadFile"),
            "kick.http.middleware": ("Middleware",),
            "kick.http.response.base": ("Response",),
            "kick.http.response.sse": ("ServerSentEvent",),
            "kick.http.routing.decorators": (
                "Controller",
                "Delete",
                "Get",
                "Head",
                "Options",
                "Patch",
                "Post",
                "Put",
                "Use",
                "WebSocket",
            ),
            "kick.http.routing.raises": ("Raises",),
            "kick.http.websocket.messages": ("InvalidMessage",),
            "kick.http.websocket.socket": ("Socket", "SocketClosed"),
            "kick.module": ("Module",),
            "kick.session.devices": ("Sessions",),
            "kick.session.session": ("Session",),
        },
    )

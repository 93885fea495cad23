"""HTTP: controllers, contexts, responses, errors."""

from typing import TYPE_CHECKING

from kick.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from kick.exceptions import BadGateway as BadGateway
    from kick.exceptions import BadRequest as BadRequest
    from kick.exceptions import Conflict as Conflict
    from kick.exceptions import Forbidden as Forbidden
    from kick.exceptions import GatewayTimeout as GatewayTimeout
    from kick.exceptions import Gone as Gone
    from kick.exceptions import HTTPError as HTTPError
    from kick.exceptions import InternalServerError as InternalServerError
    from kick.exceptions import Locked as Locked
    from kick.exceptions import MethodNotAllowed as MethodNotAllowed
    from kick.exceptions import NotAcceptable as NotAcceptable
    from kick.exceptions import NotFound as NotFound
    from kick.exceptions import NotImplementedHere as NotImplementedHere
    from kick.exceptions import PayloadTooLarge as PayloadTooLarge
    from kick.exceptions import PreconditionFailed as PreconditionFailed
    from kick.exceptions import RequestTimeout as RequestTimeout
    from kick.exceptions import ServiceUnavailable as ServiceUnavailable
    from kick.exceptions import TooManyRequests as TooManyRequests
    from kick.exceptions import Unauthorized as Unauthorized
    from kick.exceptions import UnprocessableEntity as UnprocessableEntity
    from kick.exceptions import UnsupportedMediaType as UnsupportedMediaType
    from kick.exceptions import URITooLong as URITooLong
    from kick.http.context.context import RequestContext as RequestContext
    from kick.http.description import Description as Description
    from kick.http.exception_handlers import ExceptionHandler as ExceptionHandler
    from kick.http.exception_handlers import OnError as OnError
    from kick.http.handlers.form import Form as Form
    from kick.http.handlers.parameters import Body as Body
    from kick.http.handlers.parameters import Cookie as Cookie
    from kick.http.handlers.parameters import FromBody as FromBody
    from kick.http.handlers.parameters import FromCookie as FromCookie
    from kick.http.handlers.parameters import FromHeader as FromHeader
    from kick.http.handlers.parameters import FromQuery as FromQuery
    from kick.http.handlers.parameters import Header as Header
    from kick.http.handlers.parameters import Query as Query
    from kick.http.middleware import AnyMiddleware as AnyMiddleware
    from kick.http.middleware import CallNext as CallNext
    from kick.http.middleware import Middleware as Middleware
    from kick.http.mounts import Mount as Mount
    from kick.http.mounts import MountedResponse as MountedResponse
    from kick.http.response.base import Response as Response
    from kick.http.response.sse import ServerSentEvent as ServerSentEvent
    from kick.http.response.static import StaticFiles as StaticFiles
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
    from kick.http.routing.route import Route as Route
    from kick.http.settings import Settings as Settings
    from kick.http.templates import JinjaTemplates as JinjaTemplates
    from kick.http.uploads import File as File
    from kick.http.uploads import UploadFile as UploadFile
    from kick.http.validation.form_messages import form_message as form_message
    from kick.http.validation.number_range import BigInt as BigInt
    from kick.http.websocket.messages import InvalidMessage as InvalidMessage
    from kick.http.websocket.socket import Socket as Socket
    from kick.http.websocket.socket import SocketClosed as SocketClosed
    from kick.middleware.conditional import conditional as conditional
    from kick.middleware.cookie_parser import cookie_parser as cookie_parser
    from kick.middleware.proxies import TrustedProxies as TrustedProxies
else:
    __all__ = lazy_exports(
        __name__,
        {
            "kick.middleware.cookie_parser": ("cookie_parser",),
            "kick.exceptions": (
                "BadGateway",
                "BadRequest",
                "Conflict",
                "Forbidden",
                "GatewayTimeout",
                "Gone",
                "HTTPError",
                "InternalServerError",
                "Locked",
                "MethodNotAllowed",
                "NotAcceptable",
                "NotFound",
                "NotImplementedHere",
                "PayloadTooLarge",
                "PreconditionFailed",
                "RequestTimeout",
                "ServiceUnavailable",
                "TooManyRequests",
                "URITooLong",
                "Unauthorized",
                "UnprocessableEntity",
                "UnsupportedMediaType",
            ),
            "kick.http.context.context": ("RequestContext",),
            "kick.http.description": ("Description",),
            "kick.http.exception_handlers": ("ExceptionHandler", "OnError"),
            "kick.http.handlers.form": ("Form",),
            "kick.http.handlers.parameters": (
                "Body",
                "Cookie",
                "FromBody",
                "FromCookie",
                "FromHeader",
                "FromQuery",
                "Header",
                "Query",
            ),
            "kick.http.mounts": ("Mount", "MountedResponse"),
            "kick.http.middleware": ("AnyMiddleware", "CallNext", "Middleware"),
            "kick.http.settings": ("Settings",),
            "kick.http.uploads": ("File", "UploadFile"),
            "kick.http.validation.form_messages": ("form_message",),
            "kick.http.validation.number_range": ("BigInt",),
            "kick.http.response.base": ("Response",),
            "kick.middleware.conditional": ("conditional",),
            "kick.http.response.sse": ("ServerSentEvent",),
            "kick.http.response.static": ("StaticFiles",),
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
            "kick.http.routing.route": ("Route",),
            "kick.http.templates": ("JinjaTemplates",),
            "kick.http.websocket.messages": ("InvalidMessage",),
            "kick.http.websocket.socket": ("Socket", "SocketClosed"),
            "kick.middleware.proxies": ("TrustedProxies",),
        },
    )

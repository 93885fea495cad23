"""The HTTP side: controllers, contexts, responses, errors."""

from kick.http.context import RequestContext
from kick.http.controller import Controller, Delete, Get, Head, Options, Patch, Post, Put, Use
from kick.http.cookies import cookie_parser
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
from kick.http.proxies import TrustedProxies
from kick.http.response import Response
from kick.http.routing import Route
from kick.http.sse import ServerSentEvent

__all__ = [
    "BadGateway",
    "BadRequest",
    "CallNext",
    "Conflict",
    "Controller",
    "Delete",
    "Forbidden",
    "GatewayTimeout",
    "Get",
    "Gone",
    "HTTPError",
    "Head",
    "InternalServerError",
    "Locked",
    "MethodNotAllowed",
    "Middleware",
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
    "TooManyRequests",
    "TrustedProxies",
    "URITooLong",
    "Unauthorized",
    "UnprocessableEntity",
    "UnsupportedMediaType",
    "Use",
    "cookie_parser",
]

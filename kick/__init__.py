"""kick: controllers, injection, and sessions that survive the real world."""

# ruff: noqa: F403, F405  # the names are in face.py

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kick.face import *

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


if not TYPE_CHECKING:

    def __getattr__(name):
        """Import the framework when the first of its names is asked for; `kick --help` asks for none."""
        if name not in __all__:
            raise AttributeError(f"module 'kick' has no attribute {name!r}")
        from kick import face

        value = globals()[name] = getattr(face, name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})

"""Mistakes in the handlers of WebSockets, found when the application is put together.

KickError
├── SocketMissing        a handler of a WebSocket that does not take it
├── SocketNotAsync       a handler of a WebSocket that is a plain function
├── SocketElsewhere      a handler of requests that takes a WebSocket
├── BodyOfSocket         `body:` on a handler of a WebSocket
├── DuplicateSocket      two handlers for the WebSocket at one path
├── BadMessageType       a type that no message can be validated as
├── BadOrigin            a site in `origins=` that no browser would send
└── BadSocketOption      another option of @WebSocket whose value makes no sense
"""

from __future__ import annotations

from kick.errors import KickError


class SocketMissing(KickError):
    """A handler of a WebSocket that does not take it, so that it could neither receive nor send."""

    code = "socket-missing"

    def __init__(self, place: str) -> None:
        super().__init__(
            cause=f"{place} handles a WebSocket, but has no parameter for it.",
            fix="Add the parameter `socket: Socket` to the handler; `Socket[Incoming, Outgoing]` has typed messages.",
        )


class SocketNotAsync(KickError):
    """A handler of a WebSocket that is no coroutine function."""

    code = "socket-sync"

    def __init__(self, place: str, name: str) -> None:
        super().__init__(
            cause=f"{place} handles a WebSocket, but it is no coroutine function, so it could await no message.",
            fix=f"Let it be one: `async def {name}`.",
        )


class SocketElsewhere(KickError):
    """A handler of requests that takes a WebSocket."""

    code = "socket-elsewhere"

    def __init__(self, name: str, method: str, place: str) -> None:
        super().__init__(
            cause=f"The parameter {name!r} of {place} is a Socket, but {method} requests have none.",
            fix="Decorate the handler with `@WebSocket()`; or take the request, `ctx: RequestContext`.",
        )


class BodyOfSocket(KickError):
    """`body:` on a handler of a WebSocket."""

    code = "socket-body"

    def __init__(self, place: str, type_name: str) -> None:
        super().__init__(
            cause=f"{place} takes a body, but a WebSocket has messages in place of one.",
            fix=f"Say what they are: `socket: Socket[{type_name}]`; and receive them: `async for message in socket`.",
        )


class DuplicateSocket(KickError):
    """Two handlers for the WebSocket at one path."""

    code = "socket-duplicate"

    def __init__(self, path: str, first: str, second: str) -> None:
        super().__init__(
            cause=f"The WebSocket {path} has two handlers: {first} and {second}.",
            fix=f"Give one of them another path, so that it ends up at `{path.rstrip('/')}/other`; or remove it.",
        )


class BadMessageType(KickError):
    """A type that no message can be validated as."""

    code = "socket-type"

    def __init__(self, type_name: str, place: str, reason: str) -> None:
        super().__init__(
            cause=f"{place} receives {type_name}, which cannot be read from a message: {reason}",
            fix="Use a msgspec.Struct, a union of Structs with tags, a dataclass, TypedDict or builtin, as in "
            "`Socket[dict[str, str]]`.",
        )


class BadOrigin(KickError):
    """A site in `origins=` that no browser would send as an origin (RFC 6454, section 6.2)."""

    code = "socket-origin"

    def __init__(self, given: object, place: str, *, suggestion: str = "https://app.example.com") -> None:
        super().__init__(
            cause=f"origins={given!r} of {place} is no list of origins: scheme, host and perhaps a port, and no path.",
            fix=f'Write them as browsers send them: `origins=["{suggestion}"]`.',
        )


class BadSocketOption(KickError):
    """An option of `@WebSocket` whose value makes no sense."""

    code = "socket-option"

    def __init__(self, name: str, given: object, place: str, *, expected: str, example: str) -> None:
        super().__init__(cause=f"{name}={given!r} of {place}: expected {expected}.", fix=f"For example `{example}`.")

"""Set-up errors of WebSocket handlers."""

from __future__ import annotations

from kick.errors import KickError


def missing_socket(place: str) -> KickError:
    """Return the error for a handler of a WebSocket that does not take the socket."""
    return KickError(
        "socket-missing",
        cause=f"{place} handles a WebSocket, but has no parameter for it.",
        fix="Add the parameter `socket: Socket` to the handler; `Socket[Incoming, Outgoing]` has typed messages.",
    )


def sync_socket_handler(place: str, name: str) -> KickError:
    """Return the error for a handler of a WebSocket that is not a coroutine function."""
    return KickError(
        "socket-sync",
        cause=f"{place} handles a WebSocket, but it is no coroutine function, so it could await no message.",
        fix=f"Let it be one: `async def {name}`.",
    )


def socket_in_http_handler(name: str, method: str, place: str) -> KickError:
    """Return the error for a handler of requests that takes a WebSocket."""
    return KickError(
        "socket-elsewhere",
        cause=f"The parameter {name!r} of {place} is a Socket, but {method} requests have none.",
        fix="Decorate the handler with `@WebSocket()`; or take the request, `ctx: RequestContext`.",
    )


def body_with_socket(place: str, type_name: str) -> KickError:
    """Return the error for `body:` on a handler of a WebSocket."""
    return KickError(
        "socket-body",
        cause=f"{place} takes a body, but a WebSocket has messages in place of one.",
        fix=f"Say what they are: `socket: Socket[{type_name}]`; and receive them: `async for message in socket`.",
    )


def duplicate_socket(path: str, first: str, second: str) -> KickError:
    """Return the error for two WebSocket handlers with one path."""
    return KickError(
        "socket-duplicate",
        cause=f"The WebSocket {path} has two handlers: {first} and {second}.",
        fix=f"Give one of them another path, so that it ends up at `{path.rstrip('/')}/other`; or remove it.",
    )


def bad_message_type(type_name: str, place: str, reason: str) -> KickError:
    """Return the error for a type to which messages cannot be converted."""
    return KickError(
        "socket-type",
        cause=f"{place} receives {type_name}, which cannot be read from a message: {reason}",
        fix="Use a msgspec.Struct, a union of Structs with tags, a dataclass, TypedDict or builtin, as in "
        "`Socket[dict[str, str]]`.",
    )


def bad_origin(given: object, place: str, *, suggestion: str = "https://app.example.com") -> KickError:
    """Return the error for a site in `origins=` that no browser would send as an origin (RFC 6454, section 6.2)."""
    return KickError(
        "socket-origin",
        cause=f"origins={given!r} of {place} is no list of origins: scheme, host and perhaps a port, and no path.",
        fix=f'Write them as browsers send them: `origins=["{suggestion}"]`.',
    )


def bad_socket_option(name: str, given: object, place: str, *, expected: str, example: str) -> KickError:
    """Return the error for an invalid option of `@WebSocket`."""
    return KickError(
        "socket-option", cause=f"{name}={given!r} of {place}: expected {expected}.", fix=f"For example `{example}`."
    )

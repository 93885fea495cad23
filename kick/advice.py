"""How to come by what kick has, but nobody provides."""

from __future__ import annotations

from typing import Any


def advice_for(key: Any) -> str | None:
    """Return the fix for a parameter with a type of kick that is not injected, or `None` for any other type.

    >>> from kick import Session
    >>> advice_for(Session), advice_for(int)
    ('It belongs to a request: take `ctx: RequestContext`, and use `ctx.session`.', None)
    """
    from starlette.requests import Request  # on first use, all of them: only a mistake needs them

    from kick.http.websocket.socket import Socket
    from kick.session import Session, Sessions

    return {
        Sessions: 'Add the middleware that provides it: `middleware=[session(secret=os.environ["SESSION_SECRET"])]`.',
        Session: "It belongs to a request: take `ctx: RequestContext`, and use `ctx.session`.",
        Request: "It belongs to a request: take `ctx: RequestContext`, and use `ctx.request`.",
        Socket: "It belongs to the handler of a WebSocket: take `socket: Socket` where `@WebSocket` decorates.",
    }.get(key)

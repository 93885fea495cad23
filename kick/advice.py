"""How to come by what kick has, but nobody provides."""

from __future__ import annotations

from typing import Any


def advice_for(key: Any) -> str | None:
    """What to write in place of asking the container for a type of kick's own; `None` for all other types.

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

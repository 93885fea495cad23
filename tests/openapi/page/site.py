"""A small site with a login, and the page that describes it. Its document is written by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio

from kick import (
    App,
    Controller,
    Get,
    Header,
    Module,
    Post,
    RequestContext,
    Socket,
    WebSocket,
    bootstrap,
)
from kick.auth import Authenticated, Identity, authentication, login
from kick.middleware import csrf
from kick.openapi.page.controller import PageDocument, page_controller
from kick.session import session

HOSTILE = (
    "<script>window.broken = 1</script> <img src='x' onerror='window.broken = 2'> "
    "[link](javascript:window.broken=3) <b onclick='window.broken = 4' style='position:fixed'>bold</b> "
    "<iframe srcdoc='<script>parent.broken = 5</script>'></iframe> <svg onload='window.broken = 6'></svg> "
    "<style>body { display: none }</style> </script></title>"
)
"""A docstring, title or name of somebody who wants a script to run in the page."""


@Controller("/shop")
class ShopController:
    @Post("/login")
    async def log_in(self, ctx: RequestContext[Any], body: dict[str, str]) -> dict[str, str]:
        await login(ctx, body["name"])
        return {"hello": body["name"]}

    @Authenticated
    @Post("/orders", status=201)
    async def order(self, who: Identity, body: dict[str, str]) -> dict[str, str]:
        return {"ordered": body["item"], "by": str(who.user_id)}

    @Get("/ticks")
    async def ticks(self, ctx: RequestContext[Any]) -> Any:
        async def events() -> AsyncIterator[str]:
            yield "first tick"
            await anyio.sleep_forever()

        return ctx.sse(events())

    @Get("/who")
    async def who(self, authorization: Header[str | None] = None) -> str:
        return f"token: {authorization}"

    @WebSocket("/chat/{room}")
    async def chat(self, socket: Socket) -> None:
        """Messages of a <b onclick="window.broken = 7">room</b>."""


def document(text: str = "Sells things.", servers: Any = None) -> dict[str, Any]:
    """The document of the site; `text` is every text in it that an application can choose."""

    def operation(name: str, status: str, media_type: str = "application/json", **more: Any) -> dict[str, Any]:
        answers = {status: {"description": text, "content": {media_type: {"schema": {"type": "object"}}}}}
        return {
            "tags": ["shop"],
            "operationId": name,
            "summary": text,
            "description": text,
            "responses": answers,
            **more,
        }

    def body(field: str, example: str) -> dict[str, Any]:
        properties = {field: {"type": "string", "examples": [example], "description": text}}
        schema = {"type": "object", "properties": properties, "required": [field]}
        return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}

    return {
        "openapi": "3.1.0",
        "info": {"title": text, "version": "1.0", "description": text},
        **({} if servers is None else {"servers": servers}),
        "tags": [{"name": "shop", "description": text}],
        "paths": {
            "/shop/login": {"post": operation("ShopController.log_in", "200", **body("name", "ada"))},
            "/shop/orders": {"post": operation("ShopController.order", "201", **body("item", "tea"))},
            "/shop/who": {"get": operation("ShopController.who", "200", security=[{"bearer": []}])},
            "/shop/ticks": {"get": operation("ShopController.ticks", "200", "text/event-stream")},
        },
        "components": {
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "kick.sid"},
                "bearer": {"type": "http", "scheme": "bearer", "description": text},
            }
        },
    }


def site(*shown: dict[str, Any], layers: Any = (), prefix: str = "", **options: Any) -> App:
    """The site with one document, or with several: v1, v2 and so on. `layers` stand around its own middleware."""
    documents = [
        PageDocument(
            name=f"v{number}", path=f"/openapi/{number}", load=lambda each=each: each, sockets=lambda: app.sockets
        )
        for number, each in enumerate(shown or [document()], 1)
    ]

    @Controller()
    class DocumentController:
        @Get("/openapi/{number}", session=False)
        async def document(self, number: int) -> dict[str, Any]:
            return (shown or [document()])[number - 1]

    docs = Module(
        "docs",
        session=False,
        controllers=[DocumentController, page_controller("/docs", lambda: documents)],
    )
    own = [session("a secret of at least thirty-two bytes", save_uninitialized=False), authentication(), csrf()]
    modules = [Module("shop", controllers=[ShopController]), docs]
    app = bootstrap(modules, [*layers, *own], prefix=prefix, openapi=False, **options)
    return app

"""Sessions of kick in a Litestar application: `uvicorn with_litestar:app`."""

import os
from typing import Any

from litestar import Litestar, Request, get, post
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware

from kick.session import MemoryStore, SessionMiddleware


@post("/login", status_code=200)
async def login(request: Request[Any, Any, Any], data: dict[str, str]) -> dict[str, str]:
    if request.content_type[0] != "application/json":  # a form of another site could log somebody in
        raise HTTPException("Send JSON.", status_code=415)
    session: Any = request.session
    await session.regenerate(keep=False)
    session["name"] = data["name"]
    return {"hello": data["name"]}


@get("/me")
async def me(request: Request[Any, Any, Any]) -> dict[str, str | None]:
    return {"name": request.session.get("name")}


@post("/logout", status_code=204)
async def logout(request: Request[Any, Any, Any]) -> None:
    request.clear_session()  # ends the session for every request, as `await session.destroy()` does


middleware: Any = SessionMiddleware  # Litestar has its own types for ASGI
sessions = DefineMiddleware(
    middleware,
    secret=os.environ["SESSION_SECRET"],
    save_uninitialized=False,
    cookie={"prefix": "auto"},
    store=MemoryStore(),  # shared, because Litestar creates the middleware for each route
)
app = Litestar([login, me, logout], middleware=[sessions])

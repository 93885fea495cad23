"""Sessions of kick in a Starlette application: `uvicorn with_starlette:app`."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kick.session import Session, SessionMiddleware


async def login(request: Request) -> Response:
    media_type = request.headers.get("content-type", "").partition(";")[0]
    if media_type != "application/json":  # a form of another site could log somebody in
        return Response("Send JSON.", status_code=415)
    session: Session = request.scope["session"]  # the same as `request.session`, with a type
    await session.regenerate(keep=False)
    session["name"] = (await request.json())["name"]
    return JSONResponse({"hello": session["name"]})


async def me(request: Request) -> Response:
    return JSONResponse({"name": request.session.get("name")})


async def logout(request: Request) -> Response:
    session: Session = request.scope["session"]
    await session.destroy()
    return Response(status_code=204)


app = Starlette(
    routes=[Route("/login", login, methods=["POST"]), Route("/me", me), Route("/logout", logout, methods=["POST"])]
)
app.add_middleware(
    SessionMiddleware,
    secret=os.environ["SESSION_SECRET"],
    save_uninitialized=False,
    cookie={"prefix": "auto"},
)

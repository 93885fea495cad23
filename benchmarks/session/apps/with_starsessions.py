"""Starlette with starsessions, as its documentation sets it up."""

import os

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starsessions import InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware
from starsessions.stores.redis import RedisStore


async def login(request: Request) -> JSONResponse:
    request.session["user_id"] = 7
    request.session["n"] = 0
    return JSONResponse({"user_id": 7})


async def read(request: Request) -> JSONResponse:
    return JSONResponse({"user_id": request.session["user_id"]})


async def change(request: Request) -> JSONResponse:
    request.session["n"] += 1
    return JSONResponse({"user_id": request.session["user_id"]})


url = os.environ["BENCH_STORE"]
store = RedisStore(url) if url.startswith("redis") else InMemoryStore()
app = Starlette(
    routes=[Route("/login", login), Route("/read", read), Route("/change", change)],
    middleware=[
        Middleware(SessionMiddleware, store=store, lifetime=3600, cookie_https_only=False),
        Middleware(SessionAutoloadMiddleware),
    ],
)

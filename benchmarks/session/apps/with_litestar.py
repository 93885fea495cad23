"""Litestar with its server-side sessions, as its documentation sets them up."""

import os
from typing import Any

from litestar import Litestar, Request, get
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.stores.base import Store
from litestar.stores.memory import MemoryStore
from litestar.stores.redis import RedisStore


@get("/login")
async def login(request: Request[Any, Any, Any]) -> dict[str, int]:
    request.set_session({"user_id": 7, "n": 0})
    return {"user_id": 7}


@get("/read")
async def read(request: Request[Any, Any, Any]) -> dict[str, int]:
    return {"user_id": request.session["user_id"]}


@get("/change")
async def change(request: Request[Any, Any, Any]) -> dict[str, int]:
    request.session["n"] += 1
    return {"user_id": request.session["user_id"]}


url = os.environ["BENCH_STORE"]
store: Store = RedisStore.with_client(url=url) if url.startswith("redis") else MemoryStore()
app = Litestar(
    [login, read, change],
    stores={"sessions": store},
    middleware=[ServerSideSessionConfig().middleware],
)

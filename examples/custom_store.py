"""A custom session store: Redis, in a dozen lines.

    pip install "..[redis]"
    export SESSION_SECRET=$(kick secret) REDIS_URL=redis://localhost:6379/0
    kick dev custom_store:app

Any class with `get`, `set`, `destroy` and optionally `touch` is a store. For Redis itself, kick has a better one:
`session(store="redis://...")` also merges parallel requests of several servers, and finds the sessions of a user.
"""

import json
import os
from typing import Annotated, Any

from msgspec import Meta
from redis.asyncio import Redis

from kick import Controller, Get, Module, Post, RequestContext, bootstrap
from kick.session import session


class RedisStore:
    def __init__(self, url: str) -> None:
        self.redis = Redis.from_url(url)

    async def get(self, sid: str) -> dict[str, Any] | None:
        found = await self.redis.get(f"sess:{sid}")
        return None if found is None else json.loads(found)

    async def set(self, sid: str, data: dict[str, Any], max_age: float) -> None:
        await self.redis.set(f"sess:{sid}", json.dumps(data), px=milliseconds(max_age))

    async def destroy(self, sid: str) -> None:
        await self.redis.delete(f"sess:{sid}")

    async def touch(self, sid: str, max_age: float) -> None:
        await self.redis.pexpire(f"sess:{sid}", milliseconds(max_age))

    async def aclose(self) -> None:
        await self.redis.aclose()


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # Redis rejects an expiry of 0


MOST = 50
"""The most items in a cart: without a limit, a visitor could store any amount."""


@Controller("/cart")
class CartController:
    @Get("/")
    async def show(self, ctx: RequestContext) -> list[str]:
        items: list[str] = ctx.session.get("items", [])
        return items

    @Post("/{item}", status=201)
    async def add(self, ctx: RequestContext, item: Annotated[str, Meta(max_length=100)]) -> list[str]:
        items: list[str] = ctx.session.setdefault("items", [])
        items.append(item)
        del items[:-MOST]
        return items

    @Post("/checkout")
    async def check_out(self, ctx: RequestContext) -> None:
        await ctx.session.destroy()


app = bootstrap(
    modules=[Module("cart", controllers=[CartController])],
    middleware=[
        session(
            secret=os.environ["SESSION_SECRET"],
            store=RedisStore(os.environ.get("REDIS_URL", "redis://localhost:6379/0")),
            save_uninitialized=False,
            cookie={"prefix": "auto"},
            rolling=True,
        )
    ],
)

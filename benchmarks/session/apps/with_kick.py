"""kick, its sessions in the store that BENCH_STORE names."""

import os

from kick import Controller, Get, Module, RequestContext, bootstrap
from kick.session import session


@Controller("")
class Page:
    @Get("/login")
    async def login(self, ctx: RequestContext):
        ctx.session.data["user_id"] = 7
        ctx.session.data["n"] = 0
        return {"user_id": 7}

    @Get("/read")
    async def read(self, ctx: RequestContext):
        return {"user_id": ctx.session.data["user_id"]}

    @Get("/change")
    async def change(self, ctx: RequestContext):
        data = ctx.session.data
        data["n"] += 1
        return {"user_id": data["user_id"]}


app = bootstrap(
    [Module("page", controllers=[Page])],
    [session("a secret of the benchmark, 32 bytes", save_uninitialized=False, store=os.environ["BENCH_STORE"])],
)

"""An application that counts the visits of each browser."""

import os

from kick import Controller, Get, Health, Module, RequestContext, bootstrap
from kick.http.middleware import request_id
from kick.session import session


@Controller()
class VisitController:
    @Get("/")
    async def visit(self, ctx: RequestContext) -> dict[str, int]:
        return {"visits": await ctx.session.increment("visits")}


VisitModule = Module("visits", controllers=[VisitController])

app = bootstrap(
    modules=[VisitModule, Health()],
    middleware=[
        request_id(),
        session(
            os.environ["SESSION_SECRET"].split(","),
            store=os.environ.get("SESSION_STORE", "{{ session_url }}"),
            save_uninitialized=False,
        ),
    ],
)

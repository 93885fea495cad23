from pathlib import Path

from starlette.staticfiles import StaticFiles

from kick import Controller, Get, RequestContext, Response

STATIC = Path(__file__).parent / "static"


@Controller(session=False)
class PageController:
    """Files as they are: nothing in them depends on who asks, so no session is loaded for them."""

    def __init__(self) -> None:
        self.files = StaticFiles(directory=STATIC)

    @Get("/")
    async def index(self, ctx: RequestContext) -> Response:
        response = ctx.send_file(STATIC / "index.html")
        # A browser may keep pages as they were on the screen, and show them again with its back button.
        response.headers["cache-control"] = "no-store"
        return response

    @Get("/static/{path:path}")
    async def file(self, ctx: RequestContext, path: str) -> Response:
        response = await self.files.get_response(path, ctx.scope)
        response.headers["cache-control"] = "no-cache"  # asks each time, and is told 304
        return response

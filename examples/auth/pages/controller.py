from pathlib import Path

from starlette.staticfiles import StaticFiles

from kick import Controller, Get, RequestContext, Response

STATIC = Path(__file__).parent / "static"


@Controller(session=False)
class PageController:
    """Serve the page and its files. They are the same for everybody, so no session is loaded."""

    def __init__(self) -> None:
        self.files = StaticFiles(directory=STATIC)

    @Get("/")
    async def index(self, ctx: RequestContext) -> Response:
        response = ctx.send_file(STATIC / "index.html")
        # Otherwise the back button may show the page with the data of a user who has logged out.
        response.headers["cache-control"] = "no-store"
        return response

    @Get("/static/{path:path}")
    async def file(self, ctx: RequestContext, path: str) -> Response:
        response = await self.files.get_response(path, ctx.scope)
        response.headers["cache-control"] = "no-cache"  # the browser asks each time and gets a 304
        return response

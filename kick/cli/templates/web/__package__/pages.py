"""What the pages have in common, and the first one."""

import msgspec
from kick import Controller, Get, RequestContext, Response
from kick.http import CallNext

from {{ package }}.auth.models import User


@Controller()
class HomeController:
    @Get("/")
    async def home(self, ctx: RequestContext, user: User | None) -> Response:
        return ctx.redirect("/notes") if user else ctx.render("home.html")


async def error_pages(ctx: RequestContext, call_next: CallNext) -> Response:
    """Middleware: errors as pages, for browsers. Other clients get problem details."""
    response = await call_next(ctx)
    is_problem = response.headers.get("content-type") == "application/problem+json"
    if not is_problem or "text/html" not in ctx.headers.get("accept", ""):
        return response
    problem = msgspec.json.decode(response.body)
    page = ctx.render("error.html", response.status_code, problem=problem)
    for name, value in response.headers.items():
        page.headers.setdefault(name, value)  # Retry-After, Allow
    return page


def device_name(user_agent: str) -> str:
    """`Firefox on Linux`, as far as a `User-Agent` tells.

    More specific names come first: Edge says that it is Chrome, and Chrome that it is Safari.
    """
    browsers = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome"}
    systems = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows"}
    browser = _first({**browsers, "Safari/": "Safari"}, user_agent) or "A browser"
    system = _first({**systems, "Mac OS X": "macOS", "Linux": "Linux"}, user_agent)
    return f"{browser} on {system}" if system else browser


def _first(names: dict[str, str], user_agent: str) -> str | None:
    return next((name for sign, name in names.items() if sign in user_agent), None)

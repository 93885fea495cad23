"""The list of devices. Each session of the user is one."""

from datetime import datetime, timedelta

from accounts import User
from msgspec import Struct

from kick import Controller, Get, NotFound, Post, RequestContext, Response, Sessions
from kick.auth import Authenticated
from kick.session import SessionInfo

FRESH = timedelta(minutes=5)
"""How long ago the password was given at most, when another device is ended."""

BROWSERS = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}  # Edge says Chrome, too
SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "Windows": "Windows", "Mac OS X": "macOS", "Linux": "Linux"}


class Device(Struct):
    """A device as the page shows it. `code` names the session, and gives no access to it."""

    code: str
    name: str
    ip: str | None
    since: datetime
    last_seen_at: datetime
    is_this: bool


@Authenticated(login_page="/login")
@Controller("/devices")
class DeviceController:
    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    @Get("/")
    async def index(self, ctx: RequestContext, user: User) -> Response:
        devices = [device_of(info, ctx.session.fingerprint) for info in await self.sessions.of(user.id)]
        return ctx.render("devices.html", user=user, devices=devices)

    # A browser that has given the password longer ago is sent to /confirm, and comes back here.
    @Authenticated(max_age=FRESH, login_page="/confirm")
    @Get("/{code}/end")
    async def ask(self, ctx: RequestContext, code: str, user: User) -> Response:
        info = await self.find(user, code)
        return ctx.render("end.html", device=device_of(info, ctx.session.fingerprint))

    @Authenticated(max_age=FRESH)
    @Post("/{code}/end")
    async def end(self, ctx: RequestContext, code: str, user: User) -> Response:
        await self.sessions.end(await self.find(user, code))
        ctx.session.flash["status"] = "The device is logged out."
        return ctx.redirect("/devices")

    @Authenticated(max_age=FRESH, login_page="/confirm")
    @Get("/end-others")
    async def ask_for_all(self, ctx: RequestContext) -> Response:
        return ctx.render("end.html", device=None)

    @Authenticated(max_age=FRESH)
    @Post("/end-others")
    async def end_others(self, ctx: RequestContext, user: User) -> Response:
        count = await self.sessions.revoke(user.id, except_id=ctx.session.id)
        ctx.session.flash["status"] = f"Devices logged out: {count}."
        return ctx.redirect("/devices")

    async def find(self, user: User, code: str) -> SessionInfo:
        """Return a session of the user. Raises `NotFound`, for sessions of others too."""
        for info in await self.sessions.of(user.id):
            if info.fingerprint == code:
                return info
        raise NotFound("There is no such device.")


def device_of(info: SessionInfo, here: str) -> Device:
    return Device(
        code=info.fingerprint,
        name=device_name(info.client.get("user_agent", "")),
        ip=info.client.get("ip"),
        since=info.created_at,
        last_seen_at=info.last_seen_at,
        is_this=info.fingerprint == here,
    )


def device_name(user_agent: str) -> str:
    """Return a name such as `Firefox on Linux` for a `User-Agent` header."""
    browser = next((name for sign, name in BROWSERS.items() if sign in user_agent), "A browser")
    system = next((name for sign, name in SYSTEMS.items() if sign in user_agent), "an unknown system")
    return f"{browser} on {system}"

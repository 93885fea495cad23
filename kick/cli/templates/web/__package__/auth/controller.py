"""Registering, logging in and out, and the devices that somebody is logged in on."""

from kick import Conflict, Controller, Get, Post, RequestContext, Response, Unauthorized, Use
from kick.auth import Authenticated, login, logout, next_page
from kick.http.middleware import rate_limit

from {{ package }}.auth.devices import Devices
from {{ package }}.auth.models import Credentials, Registration, User
from {{ package }}.auth.service import Accounts


@Controller()
class AuthController:
    def __init__(self, accounts: Accounts, devices: Devices) -> None:
        self._accounts = accounts
        self._devices = devices

    @Get("/register")
    async def registration(self, ctx: RequestContext, user: User | None) -> Response:
        return ctx.redirect("/notes") if user else ctx.render("register.html")

    @Post("/register")
    @Use(rate_limit("20/minute"))
    async def register(self, ctx: RequestContext, body: Registration) -> Response:
        try:
            user = await self._accounts.register(body)
        except Conflict as error:
            return ctx.render("register.html", 409, problem=error.detail, email=body.email)
        await login(ctx, user.id)
        ctx.session.flash["success"] = "Welcome! Your account is ready."
        return ctx.redirect("/notes")

    @Get("/login")
    async def credentials(self, ctx: RequestContext, user: User | None) -> Response:
        return ctx.redirect("/notes") if user else ctx.render("login.html")

    @Post("/login")
    @Use(rate_limit("20/minute"))
    async def log_in(self, ctx: RequestContext, body: Credentials) -> Response:
        try:
            user = await self._accounts.authenticate(body)
        except Unauthorized as error:
            return ctx.render("login.html", 401, problem=error.detail, email=body.email)
        await login(ctx, user.id)
        return ctx.redirect(next_page(ctx, "/notes"))

    @Post("/logout")
    async def log_out(self, ctx: RequestContext) -> Response:
        await logout(ctx)
        return ctx.redirect("/")

    @Get("/devices")
    @Authenticated(login_page="/login")
    async def devices(self, ctx: RequestContext, user: User) -> Response:
        devices = await self._devices.of(user, ctx.session)
        return ctx.render("devices.html", user=user, devices=devices)

    @Post("/devices/end-others")
    @Authenticated
    async def end_other_devices(self, ctx: RequestContext, user: User) -> Response:
        ended = await self._devices.end_others(user, ctx.session)
        ctx.session.flash["success"] = f"Logged out on {ended} other device{'s' * (ended != 1)}."
        return ctx.redirect("/devices")

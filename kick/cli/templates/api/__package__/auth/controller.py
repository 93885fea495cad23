"""Registering, logging in and out, and the devices that somebody is logged in on."""

from kick import Controller, Delete, Get, Post, RequestContext, Use
from kick.auth import login, logout
from kick.http.middleware import rate_limit

from {{ package }}.auth.devices import Devices
from {{ package }}.auth.models import Credentials, Device, Registration, User
from {{ package }}.auth.service import Accounts


@Controller("/auth")
class AuthController:
    def __init__(self, accounts: Accounts, devices: Devices) -> None:
        self._accounts = accounts
        self._devices = devices

    @Post("/register", status=201)
    @Use(rate_limit("20/minute"))
    async def register(self, ctx: RequestContext, body: Registration) -> User:
        user = await self._accounts.register(body)
        await login(ctx, user.id)
        return user

    @Post("/login")
    @Use(rate_limit("20/minute"))
    async def log_in(self, ctx: RequestContext, body: Credentials) -> User:
        user = await self._accounts.authenticate(body)
        await login(ctx, user.id)
        return user

    @Post("/logout")
    async def log_out(self, ctx: RequestContext) -> None:
        await logout(ctx)

    @Get("/me")
    async def me(self, user: User) -> User:
        return user

    @Get("/devices")
    async def devices(self, ctx: RequestContext, user: User) -> list[Device]:
        return await self._devices.of(user, ctx.session)

    @Delete("/devices")
    async def end_other_devices(self, ctx: RequestContext, user: User) -> dict[str, int]:
        return {"ended": await self._devices.end_others(user, ctx.session)}

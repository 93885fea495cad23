"""Registering, logging in and out."""

from kick import Controller, Get, Post, RequestContext

from {{ package }}.auth.models import Credentials, Registration, User
from {{ package }}.auth.service import Accounts


@Controller("/auth")
class AuthController:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    @Post("/register", status=201)
    async def register(self, body: Registration) -> User:
        return await self._accounts.register(body.email, body.password)

    @Post("/login")
    async def login(self, ctx: RequestContext, body: Credentials) -> User:
        user = await self._accounts.authenticate(body.email, body.password)
        await ctx.session.regenerate(keep=False)  # a planted id is worth nothing
        ctx.session.data["user_id"] = user.id
        return user

    @Get("/me")
    async def me(self, user: User) -> User:
        return user

    @Post("/logout")
    async def logout(self, ctx: RequestContext) -> None:
        await ctx.session.destroy()

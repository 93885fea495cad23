from kick import (
    Conflict,
    Controller,
    Get,
    Post,
    Raises,
    RequestContext,
    Sessions,
    TooManyRequests,
    Unauthorized,
    Use,
)
from kick.auth import Identity, LoginLimit, login, logout
from kick.middleware import rate_limit

from .devices import device_name
from .models import Account, Credentials, Device, Registration, SessionView, Visitor
from .service import Accounts, normalized


@Controller("/auth")
class AuthController:
    def __init__(self, accounts: Accounts, sessions: Sessions, limit: LoginLimit) -> None:
        self.accounts = accounts
        self.sessions = sessions
        self.limit = limit

    @Raises(Conflict)
    @Post("/register", status=201)
    @Use(rate_limit("20/minute"), rate_limit("100/minute", key="site"))
    async def register(self, ctx: RequestContext, body: Registration) -> Account:
        account = await self.accounts.register(body)
        self.limit.remember(ctx, account.email)
        await login(ctx, account.id)
        return account

    @Raises(Unauthorized, TooManyRequests)
    @Post("/login")
    @Use(rate_limit("20/minute"), rate_limit("100/minute", key="site"))
    async def login(self, ctx: RequestContext, body: Credentials) -> Account:
        async with self.limit.attempt(ctx, normalized(body.email)):
            account = await self.accounts.authenticate(body)
        await login(ctx, account.id)
        return account

    @Get("/me")
    async def me(self, account: Account) -> Account:
        return account

    @Post("/visits")
    async def visit(self, ctx: RequestContext, _account: Account) -> dict[str, int]:
        # The store counts, so two tabs at the same moment lose no visit.
        return {"visits": await ctx.session.increment("visits")}

    @Get("/session")
    async def session(self, ctx: RequestContext, account: Account | None, who: Identity | None) -> Visitor:
        """Return the data that the page needs at its start. It is empty for anonymous users."""
        if account is None or who is None:
            return Visitor()
        return Visitor(account=account, session=await self._view(ctx, who))

    @Post("/logout")
    async def logout(self, ctx: RequestContext) -> None:
        await logout(ctx)

    @Post("/logout-others")
    async def logout_others(self, ctx: RequestContext, account: Account) -> dict[str, int]:
        return {"ended": await self.sessions.revoke(account.id, except_id=ctx.session.id)}

    async def _view(self, ctx: RequestContext, who: Identity) -> SessionView:
        return SessionView(
            name=ctx.session.fingerprint,
            values={"user_id": who.user_id, "logged_in_at": who.logged_in_at, **ctx.session},
            created_at=ctx.session.created_at,
            expires_at=ctx.session.expires_at,
            devices=[
                Device(
                    name=device_name(info.client.get("user_agent", "")),
                    ip=info.client.get("ip"),
                    last_seen_at=info.last_seen_at,
                    is_this=info.fingerprint == ctx.session.fingerprint,
                )
                for info in await self.sessions.of(who.user_id)
            ],
        )

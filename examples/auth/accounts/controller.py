from datetime import UTC, datetime

from kick import Controller, Get, Post, RequestContext, Sessions

from .devices import device_name
from .models import Account, Credentials, Device, Registration, SessionView, Visitor
from .service import Accounts


@Controller("/auth")
class AuthController:
    def __init__(self, accounts: Accounts, sessions: Sessions) -> None:
        self.accounts = accounts
        self.sessions = sessions

    @Post("/register", status=201)
    async def register(self, ctx: RequestContext, body: Registration) -> Account:
        account = await self.accounts.register(body)
        await self._begin_session(ctx, account)
        return account

    @Post("/login")
    async def login(self, ctx: RequestContext, body: Credentials) -> Account:
        account = await self.accounts.authenticate(body)
        await self._begin_session(ctx, account)
        return account

    @Get("/me")
    async def me(self, account: Account) -> Account:
        return account

    @Post("/visits")
    async def visit(self, ctx: RequestContext, _account: Account) -> dict[str, int]:
        # Counted in the store: two tabs that ask at the same moment lose no visit.
        return {"visits": await ctx.session.increment("visits")}

    @Get("/session")
    async def session(self, ctx: RequestContext) -> Visitor:
        """What the page has to know at its start; of a stranger, too."""
        account = await self.accounts.find(ctx.session.get("user_id"))
        if account is None:
            return Visitor()
        return Visitor(account=account, session=await self._view(ctx, account))

    @Post("/logout")
    async def logout(self, ctx: RequestContext) -> None:
        await ctx.session.destroy()

    @Post("/logout-others")
    async def logout_others(self, ctx: RequestContext, account: Account) -> dict[str, int]:
        return {"ended": await self.sessions.revoke(account.id, except_id=ctx.session.id)}

    async def _begin_session(self, ctx: RequestContext, account: Account) -> None:
        # A new id, so that one planted in this browser before is worth nothing now; and a clean slate, so that
        # nothing of whoever was logged in here before comes along.
        await ctx.session.regenerate(keep=False)
        ctx.session["user_id"] = account.id
        ctx.session["logged_in_at"] = datetime.now(UTC)
        ctx.session.principal = account.id  # found again by `Sessions`

    async def _view(self, ctx: RequestContext, account: Account) -> SessionView:
        return SessionView(
            name=ctx.session.fingerprint,
            values=dict(ctx.session),
            created_at=ctx.session.created_at,
            expires_at=ctx.session.expires_at,
            devices=[
                Device(
                    name=device_name(info.client.get("user_agent", "")),
                    ip=info.client.get("ip"),
                    last_seen_at=info.last_seen_at,
                    is_this=info.fingerprint == ctx.session.fingerprint,
                )
                for info in await self.sessions.of(account.id)
            ],
        )

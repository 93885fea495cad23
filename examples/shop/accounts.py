"""Accounts, and the user of a request."""

from typing import Annotated

from database import UserRow
from msgspec import Meta, Struct
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kick import (
    Conflict,
    Controller,
    Get,
    Module,
    Post,
    Raises,
    RequestContext,
    Service,
    TooManyRequests,
    Unauthorized,
    Use,
)
from kick.auth import LoginLimit, Passwords, login, logout
from kick.middleware import rate_limit


class Credentials(Struct):
    name: Annotated[str, Meta(pattern=r"\S", max_length=50)]
    password: Annotated[str, Meta(min_length=8, max_length=128)]


class User(Struct, frozen=True):
    """A user, without the hash of the password."""

    id: int
    name: str
    is_admin: bool

    @property
    def roles(self) -> list[str]:
        return ["admin"] if self.is_admin else []


@Service()
class Users:
    def __init__(self, db: AsyncSession, passwords: Passwords) -> None:
        self.db = db
        self.passwords = passwords

    async def register(self, credentials: Credentials) -> User:
        """Add an account. Raises `Conflict` if the name is taken."""
        row = UserRow(name=credentials.name, password=await self.passwords.hash(credentials.password), is_admin=False)
        self.db.add(row)
        try:
            await self.db.flush()  # the unique constraint decides, not a query before
        except IntegrityError:
            await self.db.rollback()
            raise Conflict("This name is taken.") from None
        return user_of(row)

    async def authenticate(self, credentials: Credentials) -> User:
        """Return the user with this name and password, or raise `Unauthorized`."""
        row = await self.db.scalar(select(UserRow).where(UserRow.name == credentials.name))
        await self.db.commit()  # gives the connection back: hashing takes long
        stored = row.password if row else None  # None takes as long as a wrong password
        if not await self.passwords.verify(credentials.password, stored) or row is None:
            raise Unauthorized("The name or the password is wrong.")
        return user_of(row)

    async def find(self, user_id: int) -> User | None:
        row = await self.db.get(UserRow, user_id)
        return user_of(row) if row else None

    async def promote(self, name: str) -> bool:
        """Make a user an administrator; return false if there is no such user."""
        row = await self.db.scalar(select(UserRow).where(UserRow.name == name))
        if row is not None:
            row.is_admin = True
        return row is not None


def user_of(row: UserRow) -> User:
    return User(row.id, row.name, row.is_admin)


async def load_user(user_id: int, users: Users) -> User | None:
    """Return the logged-in user. A handler with a parameter `User` rejects anonymous users."""
    return await users.find(user_id)


@Controller("/account")
class AccountController:
    """Registration, login and logout."""

    def __init__(self, users: Users, limit: LoginLimit) -> None:
        self.users = users
        self.limit = limit

    @Raises(Conflict)
    @Post("/register", status=201)
    @Use(rate_limit("20/minute"), rate_limit("100/minute", key="site"))
    async def register(self, ctx: RequestContext, body: Credentials) -> User:
        """Create an account, and log in. The cart is kept."""
        user = await self.users.register(body)
        self.limit.remember(ctx, user.name)
        await login(ctx, user.id)
        return user

    @Raises(Unauthorized, TooManyRequests)
    @Post("/login")
    @Use(rate_limit("20/minute"), rate_limit("100/minute", key="site"))
    async def log_in(self, ctx: RequestContext, body: Credentials) -> User:
        """Log in. The cart is kept."""
        async with self.limit.attempt(ctx, body.name):
            user = await self.users.authenticate(body)
        await login(ctx, user.id, roles=user.roles)
        return user

    @Post("/logout")
    async def log_out(self, ctx: RequestContext) -> None:
        """Log out, in every tab."""
        await logout(ctx)

    @Get("/")
    async def show(self, user: User) -> User:
        """Show who is logged in."""
        return user


AccountModule = Module("account", controllers=[AccountController])

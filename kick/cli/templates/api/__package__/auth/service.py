"""Who has an account, and who is asking."""

import sqlite3

from anyio import to_thread
from kick import Conflict, RequestContext, Service, Unauthorized

from {{ package }}.auth.models import User
from {{ package }}.auth.passwords import NOBODYS, hash_password, is_password
from {{ package }}.database import Database


@Service()
class Accounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, email: str, password: str) -> User:
        hashed = await to_thread.run_sync(hash_password, password)
        insert = "INSERT INTO users (email, password) VALUES (?, ?) RETURNING id, email"
        try:
            [row] = await self._database.execute(insert, email.lower(), hashed)
        except sqlite3.IntegrityError:
            raise Conflict("There is an account with this address already.") from None
        return User(row["id"], row["email"])

    async def authenticate(self, email: str, password: str) -> User:
        """The user with this address and password; raises `Unauthorized` if there is none."""
        select = "SELECT id, email, password FROM users WHERE email = ?"
        row = next(iter(await self._database.execute(select, email.lower())), None)
        hashed = NOBODYS if row is None else row["password"]
        is_right = await to_thread.run_sync(is_password, password, hashed)
        if row is None or not is_right:
            raise Unauthorized("The address or the password is wrong.")
        return User(row["id"], row["email"])

    async def find(self, user_id: int) -> User | None:
        rows = await self._database.execute("SELECT id, email FROM users WHERE id = ?", user_id)
        return User(rows[0]["id"], rows[0]["email"]) if rows else None


async def current_user(ctx: RequestContext, accounts: Accounts) -> User:
    """Who is logged in. A handler that asks for a `User` gets it, or the client gets a 401."""
    user_id = ctx.session.data.get("user_id")
    user = None if user_id is None else await accounts.find(user_id)
    if user is None:
        raise Unauthorized("Log in first.")
    return user

"""Who has an account, and who is asking."""

from kick import Conflict, Service, Unauthorized
from kick.auth import Passwords

from {{ package }}.auth.models import Credentials, Registration, User
from {{ package }}.database import Database


@Service()
class Accounts:
    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def register(self, registration: Registration) -> User:
        """Add an account; raises `Conflict` if the address has one."""
        insert = (
            "INSERT INTO users (email, password) VALUES (?, ?) "
            "ON CONFLICT DO NOTHING RETURNING id, email"
        )
        stored = await self._passwords.hash(registration.password)
        rows = await self._database.execute(insert, registration.email.lower(), stored)
        if not rows:
            raise Conflict("There is an account with this address already.")
        return User(**rows[0])

    async def authenticate(self, credentials: Credentials) -> User:
        """The user with this address and password; raises `Unauthorized` if there is none."""
        select = "SELECT id, email, password FROM users WHERE email = ?"
        rows = await self._database.execute(select, credentials.email.lower())
        stored = rows[0]["password"] if rows else None  # None takes as long as a wrong password
        if not await self._passwords.verify(credentials.password, stored):
            raise Unauthorized("The address or the password is wrong.")
        return User(rows[0]["id"], rows[0]["email"])

    async def find(self, user_id: int) -> User | None:
        rows = await self._database.execute("SELECT id, email FROM users WHERE id = ?", user_id)
        return User(**rows[0]) if rows else None


async def load_user(user_id: int, accounts: Accounts) -> User | None:
    """Whose session it is. A handler that asks for a `User` gets it, and turns strangers away."""
    return await accounts.find(user_id)

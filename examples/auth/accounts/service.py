from kick import Conflict, Service, Unauthorized
from kick.auth import Passwords

from .models import Account, Credentials, Registration
from .users import EmailTaken, Users


@Service()
class Accounts:
    """Registration and authentication."""

    def __init__(self, users: Users, passwords: Passwords) -> None:
        self.users = users
        self.passwords = passwords

    async def register(self, registration: Registration) -> Account:
        """Add an account. Raises `Conflict` if the email is taken."""
        password = await self.passwords.hash(registration.password)
        try:
            return await self.users.add(normalized(registration.email), registration.name.strip(), password)
        except EmailTaken:
            taken = {"location": "/body/email", "message": "There is an account with this email.", "code": "taken"}
            raise Conflict("There is an account with this email.", errors=[taken]) from None

    async def authenticate(self, credentials: Credentials) -> Account:
        """Return the account of the credentials. Raises `Unauthorized`, with the same message for every cause."""
        found = await self.users.find_by_email(normalized(credentials.email))
        account, stored = found or (None, None)
        if not await self.passwords.verify(credentials.password, stored) or account is None:
            raise Unauthorized("The email or the password is wrong.")
        return account

    async def find(self, user_id: int) -> Account | None:
        return await self.users.find(user_id)


def normalized(email: str) -> str:
    """Normalize an email address, so that Ada@Example.org logs in as ada@example.org."""
    return email.strip().casefold()

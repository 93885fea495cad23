from functools import partial
from pathlib import Path

from kick import Module
from kick.auth import LoginLimit, Passwords, authentication

from .caching import no_store
from .controller import AuthController
from .current import load_account
from .users import open_users


def accounts_module(database: Path, secret: list[str] | None) -> Module:
    """Return the module with the routes below `/auth` and the accounts in this SQLite file."""

    def login_limit() -> LoginLimit:
        """Limit the guesses at one account, except on devices from which its owner has logged in."""
        return LoginLimit("10/hour", secret=secret or ())

    return Module(
        "accounts",
        controllers=[AuthController],
        providers=[partial(open_users, database), Passwords, login_limit],
        middleware=[authentication(load_account), no_store],
    )

from functools import partial
from pathlib import Path

from kick import Module
from kick.auth import Passwords, authentication

from .caching import no_store
from .controller import AuthController
from .current import load_account
from .users import open_users


def accounts_module(database: Path) -> Module:
    """Return the module with the routes below `/auth` and the accounts in this SQLite file."""
    return Module(
        "accounts",
        controllers=[AuthController],
        providers=[partial(open_users, database), Passwords],
        middleware=[authentication(load_account), no_store],
    )

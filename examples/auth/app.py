"""Accounts, logins and sessions: `kick dev`, and a browser at http://127.0.0.1:8000."""

from accounts import accounts_module
from headers import security_headers
from pages import pages_module
from settings import Settings

from kick import bootstrap
from kick.session import session

settings = Settings.from_environment()

app = bootstrap(
    modules=[accounts_module(settings.folder / "users.db"), pages_module],
    middleware=[
        security_headers,
        session(secret=settings.session_secret, store=settings.session_store, save_uninitialized=False),
    ],
)

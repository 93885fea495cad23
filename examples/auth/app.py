"""Accounts, logins and sessions: `kick dev`, and a browser at http://127.0.0.1:8000."""

from accounts import accounts_module
from pages import pages_module
from settings import Settings

from kick import bootstrap
from kick.middleware import security_headers
from kick.session import csrf, session

settings = Settings.from_environment()

app = bootstrap(
    modules=[accounts_module(settings.folder / "users.db", settings.session_secret), pages_module],
    middleware=[
        # Only files of the page's own origin: an injected script does not run.
        security_headers(csp={"script-src": "'self'", "style-src": "'self'"}),
        session(
            secret=settings.session_secret,
            store=settings.session_store,
            save_uninitialized=False,
            max_per_principal=20,
            cookie={"prefix": "auto"},
        ),
        csrf(),
    ],
)

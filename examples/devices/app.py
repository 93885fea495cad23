"""Where am I logged in? `kick dev`, and a browser at http://127.0.0.1:8000."""

import os
from datetime import timedelta
from pathlib import Path

from accounts import LoginController, load_user
from devices import DeviceController

from kick import Module, bootstrap
from kick.auth import LoginLimit, Passwords, authentication
from kick.session import csrf, session

SECRETS = os.environ["SESSION_SECRET"].split(",")

app = bootstrap(
    modules=[Module("devices", controllers=[LoginController, DeviceController])],
    middleware=[
        session(
            SECRETS,
            store=os.environ.get("SESSION_STORE", "sqlite:///sessions.db"),
            save_uninitialized=False,
            max_per_principal=20,
            max_age=timedelta(hours=8),
            # Without "remember me", the session ends with the browser.
            cookie={"prefix": "auto", "persistent": False},
        ),
        csrf(),
        authentication(load_user),
    ],
    providers=[Passwords(), LoginLimit("10/hour", secret=SECRETS)],
    templates=Path(__file__).parent / "templates",
)

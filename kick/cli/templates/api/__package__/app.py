"""Putting the application together."""

from kick import App, Health, Provider, bootstrap
from kick.auth import authentication
from kick.http.middleware import request_id
from kick.session import csrf, session

from {{ package }}.auth.module import AuthModule
from {{ package }}.auth.service import load_user
from {{ package }}.database import Database, open_database
from {{ package }}.notes.module import NotesModule
from {{ package }}.settings import Settings


def create_app(settings: Settings) -> App:
    """The application with these settings; a test makes one of its own."""
    return bootstrap(
        modules=[AuthModule, NotesModule, Health()],
        middleware=[
            request_id(),
            session(
                settings.session_secrets,
                store=settings.session_store,
                save_uninitialized=False,
            ),
            authentication(load_user),
            csrf(),
        ],
        providers=[Provider(Database, open_database, health=Database.ping)],
        settings=settings,
    )

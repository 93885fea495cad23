"""Putting the application together."""

from kick import App, bootstrap
from kick.http import cookie_parser
from kick.session import session

from {{ package }}.auth.module import AuthModule
from {{ package }}.database import open_database
from {{ package }}.notes.module import NotesModule
from {{ package }}.settings import Settings


def create_app(settings: Settings) -> App:
    """The application with these settings; a test makes one of its own."""
    return bootstrap(
        modules=[AuthModule, NotesModule],
        middleware=[
            cookie_parser(),
            session(
                secret=settings.session_secret,
                store=settings.session_store,
                save_uninitialized=False,
            ),
        ],
        providers=[open_database],
        settings=settings,
    )

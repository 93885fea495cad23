"""Putting the application together."""

from pathlib import Path

from kick import App, Health, Module, Provider, bootstrap
from kick.auth import authentication
from kick.http import JinjaTemplates, StaticFiles
from kick.http.middleware import request_id, security_headers
from kick.session import csrf, session

from {{ package }}.auth.module import AuthModule
from {{ package }}.auth.service import load_user
from {{ package }}.database import Database, open_database
from {{ package }}.notes.module import NotesModule
from {{ package }}.pages import HomeController, device_name, error_pages
from {{ package }}.settings import Settings

HERE = Path(__file__).parent

PagesModule = Module(
    "pages",
    controllers=[HomeController],
    mounts={"/static": StaticFiles(HERE / "static")},
)


def create_app(settings: Settings) -> App:
    """The application with these settings; a test makes one of its own."""
    return bootstrap(
        modules=[PagesModule, AuthModule, NotesModule, Health()],
        middleware=[
            request_id(),
            security_headers(),
            session(
                settings.session_secrets,
                store=settings.session_store,
                save_uninitialized=False,
            ),
            error_pages,
            authentication(load_user),
            csrf(),
        ],
        providers=[Provider(Database, open_database, health=Database.ping)],
        templates=JinjaTemplates(
            HERE / "templates",
            globals={"site": "{{ name }}"},
            filters={"device_name": device_name},
        ),
        settings=settings,
    )

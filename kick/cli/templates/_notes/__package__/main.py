"""The application as `kick dev` and `kick start` serve it."""

from {{ package }}.app import create_app
from {{ package }}.settings import Settings

app = create_app(Settings.from_environment())

"""The shop with the settings of this machine: `kick dev`."""

from app import create_app
from settings import Settings

app = create_app(Settings.from_environment())

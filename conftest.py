"""The environment of the tests, and of the examples in docstrings: `test`, where the rules of production are off."""

import os

os.environ.setdefault("KICK_ENV", "test")

"""The Lua scripts that change sessions and the index by principal."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Final

from kick.clock import Move
from kick.session.data.reserved import CLIENT_FIELD
from kick.session.stores.redis.client.commands import Script


def _script(*names: str) -> Script:
    """Return the script of several files in `lua/`, one after another."""
    folder = files("kick.session.stores.redis").joinpath("lua")
    return Script("\n".join(folder.joinpath(f"{name}.lua").read_text(encoding="utf-8") for name in names))


CREATE: Final = _script("session", "create")
COMMIT: Final = _script("session", "commit")
COMMIT_IF: Final = _script("session", "expect", "commit")
TOUCH: Final = _script("session", "touch")
MOVE: Final = _script("session", "move")
DESTROY: Final = _script("session", "destroy")
ADOPT: Final = _script("session", "adopt")
REVOKE: Final = _script("session", "revoke")
ENTER: Final = _script("enter")
CONDEMN: Final = _script("condemn")
TRIM: Final = _script("trim")
LOAD: Final = Script("return redis.call('HGETALL', KEYS[1])")
"""A load under a clock that was moved. Otherwise it is a plain command."""

LOAD_SHOWN: Final = Script(rf"return redis.call('HMGET', KEYS[1], '\255', '{CLIENT_FIELD}')")
"""The same for the fields `SHOWN`."""


@lru_cache(maxsize=256)
def moved_script(script: Script, moved: Move) -> Script:
    """Return a script that sees the time of a moved clock, for tests."""
    now = "nil" if moved.frozen_at is None else f"{moved.frozen_at * 1000:.0f}"
    before = files("kick.session.stores.redis").joinpath("lua", "moved.lua").read_text(encoding="utf-8")
    return Script(f"local SHIFT, NOW = {moved.shift * 1000:.0f}, {now}\n{before}\n{script.source.decode()}")

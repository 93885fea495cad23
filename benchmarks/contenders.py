"""Who takes part, and in which rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.work import Work

Server = Literal["kick", "uvicorn", "python", "node"]


@dataclass(frozen=True)
class Contender:
    """A framework.

    `module` is its application in `benchmarks/apps/`. `server` is what serves it: `kick start`, uvicorn, or the module
    itself, where a framework brings its own server. `package` is what it is installed as. `server_logs` says that its
    access log is uvicorn's. `stores` are those that it has for sessions.
    """

    name: str
    module: str
    package: str
    server: Server = "uvicorn"
    server_logs: bool = True
    stores: frozenset[str] = frozenset()
    sessions_only: bool = False

    def takes_part(self, row: Work) -> bool:
        """Whether there is something to time."""
        return row.store in self.stores if row.with_sessions else not self.sessions_only


def _stores(*names: str) -> frozenset[str]:
    return frozenset(names)


EVERY_STORE: Final = _stores("memory", "sqlite", "redis", "postgres")

RAW: Final = Contender("raw ASGI", "with_raw", "uvicorn", "kick", server_logs=False, stores=EVERY_STORE)
"""What all others are compared with, in each row and each round."""

KICK: Final = Contender("kick", "with_kick", "kick-framework", "kick", server_logs=False, stores=EVERY_STORE)

RAW_ON_UVICORN: Final = Contender("raw ASGI on uvicorn", "with_raw", "uvicorn", server_logs=False, stores=EVERY_STORE)
"""What `ON_UVICORN` is compared with."""

ON_UVICORN: Final = Contender("kick on uvicorn", "with_kick", "kick-framework", stores=EVERY_STORE)
"""The same application behind `uvicorn`, as many deploy it."""

CONTENDERS: Final[tuple[Contender, ...]] = (
    RAW,
    KICK,
    RAW_ON_UVICORN,
    ON_UVICORN,
    Contender("Starlette", "with_starlette", "starlette"),
    Contender("starsessions", "with_starlette", "starsessions", stores=_stores("memory", "redis"), sessions_only=True),
    Contender("FastAPI", "with_fastapi", "fastapi"),
    Contender("Litestar", "with_litestar", "litestar", stores=_stores("memory", "redis")),
    Contender("BlackSheep", "with_blacksheep", "blacksheep", stores=_stores("memory")),
    Contender("Falcon", "with_falcon", "falcon"),
    Contender("Sanic", "with_sanic", "sanic", server="python"),
    Contender("Robyn", "with_robyn", "robyn", server="python"),
    Contender("Django", "with_django", "django", stores=EVERY_STORE),
    Contender("Express", "express", "express", server="node", stores=_stores("memory", "redis")),
    Contender("Fastify", "fastify", "fastify", server="node", stores=_stores("memory", "redis")),
)


def contenders_named(words: str) -> list[Contender]:
    """Those whose names contain one of the words, which are separated by commas, and raw ASGI; all of them for none.

    >>> [contender.name for contender in contenders_named("kick,fast")]
    ['raw ASGI', 'kick', 'kick on uvicorn', 'FastAPI', 'Fastify']
    """
    wanted = [word for word in words.lower().split(",") if word]
    return [
        each for each in CONTENDERS if each is RAW or not wanted or any(word in each.name.lower() for word in wanted)
    ]

"""Settings of the shop, read from the environment."""

import os
from pathlib import Path
from typing import Self

from msgspec import Struct


class Settings(Struct, frozen=True, kw_only=True):
    session_secrets: list[str]
    session_store: str
    database: str
    pictures: Path

    @classmethod
    def from_environment(cls) -> Self:
        return cls(
            session_secrets=os.environ["SESSION_SECRET"].split(","),
            session_store=os.environ.get("SESSION_STORE", "sqlite:///sessions.db"),
            database=os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///shop.db"),
            pictures=Path(os.environ.get("PICTURES", "pictures")).absolute(),
        )

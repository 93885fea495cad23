"""What differs from machine to machine. `.env` has it here; `.env.example` says what there is."""

import os
from typing import Self

from msgspec import Struct


class Settings(Struct, frozen=True, kw_only=True):
    session_secrets: list[str]
    session_store: str
    database: str

    @classmethod
    def from_environment(cls) -> Self:
        return cls(
            session_secrets=os.environ["SESSION_SECRET"].split(","),
            session_store=os.environ.get("SESSION_STORE", "{{ session_url }}"),
            database=os.environ.get("DATABASE", "notes.db"),
        )

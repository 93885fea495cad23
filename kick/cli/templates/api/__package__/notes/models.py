"""A note, and what the client sends to write one."""

from typing import Annotated

from msgspec import Meta, Struct


class NewNote(Struct, frozen=True):
    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class Note(Struct, frozen=True):
    id: int
    text: str

"""A note, and what the client sends to write one."""

from typing import Annotated

from msgspec import Meta, Struct


class NoteBody(Struct, frozen=True, kw_only=True):
    title: Annotated[str, Meta(pattern=r"\S", max_length=200)]
    text: Annotated[str, Meta(max_length=10_000)] = ""


class Note(NoteBody, frozen=True, kw_only=True):
    id: int

"""What the client sends to log in, and what it hears of itself."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

Email = Annotated[str, Meta(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
NewPassword = Annotated[str, Meta(min_length=12, max_length=1000)]


class Registration(Struct, frozen=True):
    email: Email
    password: NewPassword


class Credentials(Struct, frozen=True):
    email: str
    password: str


class User(Struct, frozen=True):
    id: int
    email: str


class Device(Struct, frozen=True, kw_only=True):
    """One session of somebody."""

    user_agent: str
    ip: str
    last_seen_at: datetime
    is_this: bool

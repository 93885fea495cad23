"""Types of requests and responses."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(pattern=r"\S", max_length=60)]
Email = Annotated[str, Meta(pattern=r"^\s*[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+\s*$", max_length=254)]
NewPassword = Annotated[str, Meta(min_length=8, max_length=128)]
Password = Annotated[str, Meta(min_length=1, max_length=128)]


class Registration(msgspec.Struct, frozen=True):
    name: Name
    email: Email
    password: NewPassword


class Credentials(msgspec.Struct, frozen=True):
    email: Email
    password: Password


class Account(msgspec.Struct, frozen=True):
    """An account without its password hash."""

    id: int
    name: str
    email: str
    created_at: datetime


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A session of the user."""

    name: str
    ip: str | None
    last_seen_at: datetime
    is_this: bool


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """Public data of a session. `name` is a short hash of the id, because the id itself is secret."""

    name: str
    values: dict[str, Any]
    created_at: datetime | None
    expires_at: datetime | None
    devices: list[Device]


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """The user of the request. Both fields are `None` for anonymous users."""

    account: Account | None = None
    session: SessionView | None = None

"""`Socket[In, Out]` sends what `Out` has, and nothing else that is on the object: the rule of responses."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import attrs
import msgspec
import pydantic
import pytest
import typing_extensions
from starlette.testclient import TestClient

from kick import Controller, KickError, Module, Socket, SocketClosed, WebSocket, bootstrap


class Public(msgspec.Struct):
    name: str


class Account(Public):
    password: str = "secret"


class Said(msgspec.Struct, tag="said"):
    text: str


class Moved(msgspec.Struct, tag="moved"):
    x: int


class Whispered(Said, tag="said"):
    heard_by: str = "secret"


@dataclass
class Plain:
    name: str


@dataclass
class Full(Plain):
    password: str = "secret"


@attrs.define
class Shown:
    name: str


@attrs.define
class Stored(Shown):
    password: str = "secret"


class Model(pydantic.BaseModel):
    name: str


class Hidden(Model):
    password: str = "secret"


class Row(typing_extensions.TypedDict):
    name: str


class Pair(NamedTuple):
    left: Public
    right: Public


ROW = {"name": "Ada", "password": "secret"}
ADA = {"name": "Ada"}
Alias = typing_extensions.TypeAliasType("Alias", "Public | bytes")  # type: ignore[misc]

T = TypeVar("T")

MESSAGES = [
    (Public, Account("Ada"), ADA),
    ("Public", Account("Ada"), ADA),
    (Public | None, Account("Ada"), ADA),
    (Public | bytes, Account("Ada"), ADA),
    (list[Public], [Account("Ada"), Public("Ada")], [ADA, ADA]),
    (dict[str, list[Public]], {"a": [Account("Ada")]}, {"a": [ADA]}),
    (Said | Moved, Whispered("hi"), {"type": "said", "text": "hi"}),
    (Said | Moved, Moved(1), {"type": "moved", "x": 1}),
    (Plain, Full("Ada"), ADA),
    (Shown, Stored("Ada"), ADA),
    (Model, Hidden(name="Ada"), ADA),
    (list[Model] | bytes, [Hidden(name="Ada")], [ADA]),
    (Row, ROW, ADA),
    (Pair, Pair(Account("Ada"), Public("Ada")), [ADA, ADA]),
    (Any, Account("Ada"), {"name": "Ada", "password": "secret"}),
]


def first_message(site: type, path: str = "/") -> Any:
    with (
        TestClient(bootstrap([Module("site", controllers=[site])])) as client,
        client.websocket_connect(path) as socket,
    ):
        return socket.receive_json()


@pytest.mark.parametrize(("declared", "value", "sent"), MESSAGES, ids=lambda each: str(each)[:40])
@pytest.mark.parametrize("way", ["send", "send_from"])
def test_only_what_is_declared_is_sent(declared: Any, value: Any, sent: Any, way: str) -> None:
    async def live(self: Any, socket: Any) -> None:
        async def messages() -> AsyncIterator[Any]:
            yield value

        await (socket.send(value) if way == "send" else socket.send_from(messages()))

    live.__annotations__["socket"] = Socket[str, declared]
    site = Controller("")(type("Site", (), {"live": WebSocket("/")(live)}))
    assert first_message(site) == sent


def test_a_type_that_a_generic_base_leaves_open_is_filled() -> None:
    class Base(Generic[T]):
        value: Any

        @WebSocket("/")
        async def live(self, socket: Socket[str, T]) -> None:
            await socket.send(self.value)

    @Controller("")
    class Site(Base[Public]):
        value = Account("Ada")

    assert first_message(Site) == ADA


@pytest.mark.parametrize("value", [Moved(1), 7, {"text": "Ada"}, None, [Public("Ada")]], ids=repr)
def test_what_does_not_fit_is_an_error_of_the_handler(value: Any) -> None:
    seen: list[Exception] = []

    @Controller("")
    class Site:
        @WebSocket("/")
        async def live(self, socket: Socket[str, Public]) -> None:
            try:
                await socket.send(value)
            except TypeError as error:
                seen.append(error)
            await socket.send(Public("still open"))

    assert first_message(Site) == {"name": "still open"}
    assert "a message of Site.live()" in str(seen[0])
    assert "does not fit its declared type at" in str(seen[0])


def test_encoders_of_the_application_are_asked() -> None:
    class Money:
        cents = 5

    class Bill(msgspec.Struct):
        total: Money

    class Receipt(Bill):
        card: str = "secret"

    @Controller("")
    class Site:
        @WebSocket("/")
        async def live(self, socket: Socket[str, Bill]) -> None:
            await socket.send(Receipt(Money()))

    app = bootstrap([Module("site", controllers=[Site])], encoders={Money: lambda money: money.cents})
    with TestClient(app) as client, client.websocket_connect("/") as socket:
        assert socket.receive_json() == {"total": 5}


def test_a_field_whose_type_does_not_exist_stops_the_start() -> None:
    class Lost(msgspec.Struct):
        other: "Nowhere"  # type: ignore[name-defined]  # noqa: F821  # the mistake

    @Controller("")
    class Site:
        @WebSocket("/")
        async def live(self, socket: Socket[str, Lost]) -> None:
            raise SocketClosed(1000)

    with pytest.raises(KickError) as caught:
        bootstrap([Module("site", controllers=[Site])])
    assert caught.value.code == "di-unresolved-hint"
    assert "outgoing messages" in str(caught.value)

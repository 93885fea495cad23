"""Subclasses of what a session can hold are stored as what they are underneath."""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest

from kick.session import Session
from kick.session.data.mapping import SessionData
from kick.session.data.typed import Shape
from kick.session.data.values import UnstorableValue, decode, encode
from tests.session.harness import Browser


class UserInfo(dict[str, Any]):
    """Like that of authlib."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class AttributeDict(dict[str, Any]):
    """A dict whose attributes are its keys, those named like its methods too."""

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        self.__dict__ = self


class Rows(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("the list underneath is read")


class Point(NamedTuple):
    x: int
    y: int


Pair = namedtuple("Pair", "left right")  # the untyped kind


class Text(str):
    def __str__(self) -> str:
        return "another text"


class Number(int):
    def __int__(self) -> int:
        return -1


class Ratio(float):
    def __float__(self) -> float:
        return -1.0


class Blob(bytes):
    def __bytes__(self) -> bytes:
        return b"other bytes"


class Moment(datetime):
    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        return "some time"


class Id(UUID):
    def __str__(self) -> str:
        return "some id"


class Money(Decimal):
    def __str__(self) -> str:
        return f"EUR {super().__str__()}"


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Role(enum.StrEnum):
    ADMIN = "admin"


class Mixed(str, enum.Enum):  # noqa: UP042  # as code from before Python 3.11 has it
    ONE = "one"


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


class Place(enum.Enum):
    HOME = Point(1, 2)
    TIME = datetime(2026, 1, 1, tzinfo=UTC)


LATE = datetime(2026, 10, 25, 2, 30, fold=1)  # noqa: DTZ001  # only a time of no zone keeps its fold

DISGUISED = [
    (UserInfo(sub="7", email="a@b.c"), {"sub": "7", "email": "a@b.c"}),
    (AttributeDict(items=[1], get=2), {"items": [1], "get": 2}),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (defaultdict(list, a=[1]), {"a": [1]}),
    (Counter("aab"), {"a": 2, "b": 1}),
    (Rows([1, 2]), [1, 2]),
    (Point(1, 2), [1, 2]),
    (Pair("a", Point(3, 4)), ["a", [3, 4]]),
    (Text("text"), "text"),
    (Number(7), 7),
    (Number(2**80), 2**80),
    (Ratio(1.5), 1.5),
    (Blob(b"\0\xff"), b"\0\xff"),
    (Moment(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    (Moment(2026, 10, 25, 2, 30, fold=1), LATE),
    (Id(int=7), UUID(int=7)),
    (Money("1.10"), Decimal("1.10")),
    (Color.RED, "red"),
    (Level.HIGH, 3),
    (Role.ADMIN, "admin"),
    (Mixed.ONE, "one"),
    (Rights.READ | Rights.WRITE, 3),
    (Place.HOME, [1, 2]),
    (Place.TIME, datetime(2026, 1, 1, tzinfo=UTC)),
    ({Role.ADMIN: 2, Mixed.ONE: 3}, {"admin": 2, "one": 3}),
    ([UserInfo(a=[Role.ADMIN, Point(1, 2)])], [{"a": ["admin", [1, 2]]}]),
]

DISGUISED_KEYS = [({Text("key"): 1, Role.ADMIN: 2}, {"key": 1, "admin": 2}), ({Text("$"): Level.HIGH}, {"$": 3})]


def _name(value: Any) -> str:
    return type(value).__name__


def _exactly(value: Any) -> Any:
    """The types of a value, all the way down."""
    if isinstance(value, dict):
        return type(value), {key: (type(key), _exactly(each)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [_exactly(each) for each in value]
    return type(value), value


class TestWhatIsUnderneath:
    @pytest.mark.parametrize(("value", "plain"), [*DISGUISED, *DISGUISED_KEYS], ids=_name)
    def test_a_subclass_is_stored_as_its_base_and_comes_back_as_it(self, value: Any, plain: Any) -> None:
        assert encode("k", value) == encode("k", plain)
        assert _exactly(decode(encode("k", value))) == _exactly(plain)

    def test_the_order_of_an_ordered_dict_is_kept(self) -> None:
        ordered = OrderedDict(a=1, b=2)
        ordered.move_to_end("a")
        assert list(decode(encode("k", ordered))) == ["b", "a"]

    @pytest.mark.parametrize(
        ("value", "place"),
        [
            (UserInfo(a=object()), "data['k']['a']"),
            (Point(1, object()), "data['k'][1]"),  # type: ignore[arg-type]
            (Ratio("nan"), "data['k']"),
            (Counter([1]), "data['k']"),
            ({Level.HIGH: 1}, "data['k']"),
            ({Color.RED: 1}, "data['k']"),
            (enum.Enum("Odd", {"A": object()}).A, "data['k']"),  # type: ignore[attr-defined]
            (deque([1]), "data['k']"),
            (Text("\ud800"), "data['k']"),
        ],
        ids=_name,
    )
    def test_what_cannot_be_reduced_is_an_error_that_names_the_place(self, value: Any, place: str) -> None:
        with pytest.raises(UnstorableValue) as caught:
            encode("k", value)
        assert caught.value.place == place

    def test_keys_that_are_one_underneath_are_an_error(self) -> None:
        class Own(str):
            __hash__ = object.__hash__

            def __eq__(self, other: object) -> bool:
                return self is other

        with pytest.raises(UnstorableValue, match="twice"):
            encode("k", {Own("a"): 1, Own("a"): 2})

    def test_a_subclass_that_holds_itself_is_an_error(self) -> None:
        user = UserInfo()
        user["self"] = user
        with pytest.raises(UnstorableValue, match="holding itself"):
            encode("k", user)


class TestInARequest:
    def test_a_change_of_the_assigned_object_in_place_is_found(self) -> None:
        data = SessionData({})
        user = UserInfo(name="Ann", roles=[Role.ADMIN])
        data["user"] = user
        user["roles"].append("staff")
        assert data["user"] is user
        assert data.changes() == ({"user": b'{"name":"Ann","roles":["admin","staff"]}'}, [])

    @pytest.mark.parametrize(
        ("stored", "value"),
        [
            (b'{"a":1,"b":2}', OrderedDict(b=2, a=1)),
            (b'"admin"', Role.ADMIN),
            (b"3", Level.HIGH),
            (b"[1,2]", Point(1, 2)),
        ],
        ids=_name,
    )
    def test_an_equal_value_in_disguise_is_no_change(self, stored: bytes, value: Any) -> None:
        data = SessionData({"k": stored})
        data["k"] = value
        assert data.changes() == ({}, [])

    def test_a_key_in_disguise_is_the_plain_key(self) -> None:
        data = SessionData({"admin": b"1"})
        data[Role.ADMIN] = 2
        data[Text("other")] = 3
        assert [type(key) for key in data] == [str, str]
        assert data.changes() == ({"admin": b"2", "other": b"3"}, [])
        del data[Role.ADMIN]
        changed, dropped = data.changes() or ({}, [])
        assert (changed, dropped) == ({"other": b"3"}, ["admin"])
        assert [type(key) for key in dropped] == [str]

    def test_a_reserved_key_in_disguise_is_refused(self) -> None:
        with pytest.raises(UnstorableValue, match="kick's own"):
            SessionData({})[Text("$token")] = 1


class Typed(msgspec.Struct):
    anything: Any = None
    names: list[str] = []
    level: int = 0


class TestTypedData:
    @pytest.mark.parametrize(("value", "plain"), DISGUISED, ids=_name)
    def test_a_field_holds_what_is_underneath(self, value: Any, plain: Any) -> None:
        shape = Shape(Typed)
        assert shape.decode("anything", shape.encode("anything", value)) == plain

    def test_fields_of_other_types_take_their_subclasses(self) -> None:
        shape = Shape(Typed)
        assert shape.encode("names", Rows([Text("Ann"), Role.ADMIN])) == b'["Ann","admin"]'
        assert shape.encode("level", Number(3)) == b"3"

    def test_what_cannot_be_reduced_names_the_field(self) -> None:
        with pytest.raises(UnstorableValue) as caught:
            Shape(Typed).encode("anything", UserInfo(a=[object()]))
        assert caught.value.place == "data.anything"


class TestOverEveryStore:
    async def test_a_disguised_value_is_plain_in_the_next_request(self, browser: Browser) -> None:
        def act(session: Session[Any]) -> None:
            session["user"] = user = UserInfo(name=Text("Ann"), role=Role.ADMIN, at=Point(1, 2))
            session[Role.ADMIN] = OrderedDict(a=Money("1.10"))
            user["later"] = Counter("a")

        assert (await browser.visit(act)).status == 200
        answer = await browser.visit(lambda session: dict(session))
        assert _exactly(answer.value) == _exactly(
            {"user": {"name": "Ann", "role": "admin", "at": [1, 2], "later": {"a": 1}}, "admin": {"a": Decimal("1.10")}}
        )

    async def test_modify_and_increment_take_keys_and_values_in_disguise(self, browser: Browser) -> None:
        async def act(session: Session[Any]) -> None:
            session["started"] = True
            await session.save()
            await session.modify(Role.ADMIN, lambda rows: Rows([*rows, Level.HIGH]), default=[])
            await session.increment(Text("count"))

        assert (await browser.visit(act)).status == 200
        answer = await browser.visit(lambda session: dict(session))
        assert _exactly(answer.value) == _exactly({"started": True, "admin": [3], "count": 1})

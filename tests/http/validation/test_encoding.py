"""Values as JSON: what has a serializer of its own is written by it, and applications may add encoders."""

import datetime
import decimal
import enum
import io
import ipaddress
import itertools
import pathlib
import re
import subprocess
import sys
from collections import UserList, deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import attrs
import msgspec
import numpy
import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, PlainSerializer, RootModel, SecretStr, computed_field
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as pydantic_dataclass

from kick import Controller, Get, RequestContext
from kick.http import ServerSentEvent
from kick.http.validation.encoding import Encoders, JSONEncoder
from tests.http.support import app_of, ask


def encoded(value: Any, encoders: Encoders | None = None) -> Any:
    return msgspec.json.decode(JSONEncoder(encoders).encode(value))


# Serializers of pydantic's


class Address(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    street_name: str
    door_code: SecretStr = SecretStr("1234")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def full_name(self) -> str:
        return f"{self.street_name} 1"


class Person(BaseModel):
    given_name: str = Field(serialization_alias="givenName")
    home: Address
    others: dict[str, list[Address]] = {}


class Addresses(RootModel[list[Address]]): ...


@pydantic_dataclass
class Account:
    password: SecretStr
    user_name: str = Field(default="", alias="userName")
    notes: str = Field(default="private", exclude=True)
    price: Annotated[decimal.Decimal, PlainSerializer(float)] = decimal.Decimal("1.5")


class Holder(msgspec.Struct, rename="camel", omit_defaults=True, tag="holder"):
    first_item: Any
    second_item: Any = None


@dataclass
class Plain:
    item: Any


@attrs.define
class Attributes:
    item: Any
    _hidden: int = 0


class Pair(NamedTuple):
    left: Any
    right: int


HOME = {"streetName": "A", "doorCode": "**********", "fullName": "A 1"}
MOMENT = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
ACCOUNT = {"password": "**********", "userName": "ada", "price": 1.5}


def account() -> Account:
    return Account(userName="ada", password="secret")  # type: ignore[call-arg, arg-type]  # pyright: ignore


def test_models_are_written_by_their_aliases_at_any_depth() -> None:
    home = Address(street_name="A")
    person = Person(given_name="Ada", home=home, others={"x": [home]})
    wanted = {"givenName": "Ada", "home": HOME, "others": {"x": [HOME]}}
    assert encoded(person) == wanted
    assert encoded({"a": [Holder(person)]}) == {"a": [{"type": "holder", "firstItem": wanted}]}
    assert encoded(Addresses([home])) == [HOME]


@pytest.mark.parametrize(
    ("wrap", "wanted"),
    [
        (lambda value: value, ACCOUNT),
        (lambda value: [value], [ACCOUNT]),
        (lambda value: {"a": (value,)}, {"a": [ACCOUNT]}),
        (lambda value: [Holder([value])], [{"type": "holder", "firstItem": [ACCOUNT]}]),
        (
            lambda value: Plain(Holder({"x": Plain(value)})),
            {"item": {"type": "holder", "firstItem": {"x": {"item": ACCOUNT}}}},
        ),
        (lambda value: Attributes(value), {"item": ACCOUNT}),
        (lambda value: Pair(value, 1), [ACCOUNT, 1]),
        (lambda value: deque([value]), [ACCOUNT]),
        (lambda value: iter([value]), [ACCOUNT]),
        (
            lambda value: Holder(msgspec.UNSET, second_item=[value]),
            {"type": "holder", "secondItem": [ACCOUNT]},
        ),
    ],
    ids=itertools.count(),
)
def test_a_dataclass_of_pydantics_is_written_by_pydantic_everywhere(wrap: Callable[[Any], Any], wanted: Any) -> None:
    assert encoded(wrap(account())) == wanted


def test_types_with_a_schema_of_their_own_are_written_by_it() -> None:
    assert encoded([SecretStr("s"), AnyUrl("https://example.com")]) == ["**********", "https://example.com/"]


def test_a_field_of_a_model_may_hold_what_only_kick_can_write() -> None:
    class Free(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        item: Any
        money: "Money"

    Free.model_rebuild(_types_namespace={"Money": Money})
    free = Free(item=[Holder(account())], money=Money(5))
    wanted = {"item": [{"type": "holder", "firstItem": ACCOUNT}], "money": "5 EUR"}
    assert encoded(free, {Money: lambda money: f"{money.amount} EUR"}) == wanted


# Encoders of the application


class Money:
    def __init__(self, amount: int) -> None:
        self.amount = amount


class Euro(Money): ...


@dataclass
class Coin(Money):
    amount: int


class Level(enum.Enum):
    HIGH = 1


def as_text(money: Money) -> str:
    return f"{money.amount}"


@pytest.mark.parametrize(
    ("encoders", "value", "wanted"),
    [
        ({Money: as_text}, [Money(1), Euro(2), Coin(3)], ["1", "2", "3"]),
        ({Money: as_text, Euro: lambda _: "euro"}, {"a": Euro(1), "b": Money(2)}, {"a": "euro", "b": "2"}),
        ({Money: lambda money: {"of": [Level.HIGH, money.amount]}}, Money(1), {"of": [1, 1]}),
        ({Coin: as_text}, Holder([Coin(1)]), {"type": "holder", "firstItem": ["1"]}),
        ({Level: lambda level: level.name}, Plain([Level.HIGH]), {"item": ["HIGH"]}),
        (
            {datetime.datetime: lambda moment: moment.year},
            {"a": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)},
            {"a": 2020},
        ),
        ({decimal.Decimal: float}, [decimal.Decimal("1.5")], [1.5]),
        ({Holder: lambda holder: holder.first_item}, [Holder(account())], [ACCOUNT]),
        ({Address: lambda address: address.street_name}, [Address(street_name="A")], ["A"]),
        ({Money: as_text}, {Money(1): 2}, {"1": 2}),
    ],
    ids=itertools.count(),
)
def test_an_encoder_is_for_a_class_and_its_subclasses(encoders: Encoders, value: Any, wanted: Any) -> None:
    assert encoded(value, encoders) == wanted


async def test_every_way_out_uses_the_encoders_of_the_application() -> None:
    @Controller("")
    class Prices:
        @Get("/returned")
        async def returned(self) -> Any:
            return [Money(1)]

        @Get("/context")
        async def context(self, ctx: RequestContext) -> Any:
            return ctx.json([Money(1)])

        @Get("/events")
        async def events(self, ctx: RequestContext) -> Any:
            async def events() -> AsyncIterator[Any]:
                yield ServerSentEvent(data=[Money(1)])
                yield {"price": Money(2)}

            return ctx.sse(events())

    app = app_of(Prices, encoders={Money: as_text})
    assert (await ask(app, "/returned")).json() == ["1"]
    assert (await ask(app, "/context")).json() == ["1"]
    assert (await ask(app, "/events")).text == 'data: ["1"]\n\ndata: {"price":"2"}\n\n'


# Types of the standard library and of numpy


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        ({pathlib.PurePosixPath("a"): 1}, {"a": 1}),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (ipaddress.ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
        (re.compile("a+"), "a+"),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        ({1}, [1]),
        (frozenset("a"), ["a"]),
        (range(2), [0, 1]),
        (deque([1]), [1]),
        (UserList([1]), [1]),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        ((each for each in "ab"), ["a", "b"]),
        (map(str, [1]), ["1"]),
    ],
    ids=itertools.count(),
)
def test_common_types_of_the_standard_library_have_a_json_form(value: Any, wanted: Any) -> None:
    assert encoded({"in": [value]}) == {"in": [wanted]}


def test_numpys_scalars_and_arrays_are_numbers_and_lists() -> None:
    scalars = [numpy.int64(1), numpy.float32(0.5), numpy.float64(2.5), numpy.bool_(True), numpy.str_("a")]
    assert encoded(scalars) == [1, 0.5, 2.5, True, "a"]
    assert encoded({"m": numpy.array([[1, 2], [3, 4]]), "e": numpy.array([])}) == {"m": [[1, 2], [3, 4]], "e": []}
    assert encoded(numpy.array(7)) == 7
    assert encoded(Holder(numpy.arange(2))) == {"type": "holder", "firstItem": [0, 1]}


@pytest.mark.process
def test_nothing_optional_is_loaded_to_write_values() -> None:
    program = (
        "import sys, kick; from kick.http.validation.encoding import JSONEncoder\n"
        "try: JSONEncoder({int: str}).encode([1, object()])\n"
        "except TypeError: pass\n"
        "print([name for name in ('pydantic', 'numpy', 'attrs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class NoForm:
    class Inner: ...


async def chunks() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (NoForm(), f"{__name__}.NoForm has no JSON form: encoders= of bootstrap() can give it one"),
        (Holder([NoForm.Inner()]), f"{__name__}.NoForm.Inner has no JSON form"),
        (1j, "complex has no JSON form"),
        (chunks(), "async_generator has no JSON form: send what it yields with ctx.stream()"),
        (io.StringIO("secret"), "_io.StringIO has no JSON form"),
    ],
    ids=itertools.count(),
)
def test_the_error_names_the_module_and_the_type(value: Any, wanted: str) -> None:
    with pytest.raises(TypeError, match=re.escape(wanted)):
        JSONEncoder().encode([value])


async def test_a_generator_of_a_plain_handler_runs_in_its_thread() -> None:
    import threading

    threads: list[int] = []

    def numbers() -> Iterator[int]:
        threads.append(threading.get_ident())
        yield 1

    @Controller("")
    class Numbers:
        @Get("/")
        def show(self) -> Any:
            threads.append(threading.get_ident())
            return numbers()

    assert (await ask(app_of(Numbers), "/")).json() == [1]
    assert threads[0] == threads[1] != threading.get_ident()

"""The declared type of a response is a promise: only its fields leave, at any depth, and what does not fit is a 500."""

import datetime
import decimal
import enum
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest
from packaging.version import Version
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, RootModel, SecretStr
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as pydantic_dataclass

from kick import App, Controller, Get, RequestContext, Response, ServerSentEvent
from kick.http.handlers.response_types import InvalidResponse, ResponseType, declared_response, writer_of
from kick.http.validation.encoding import JSONEncoder
from tests.http.support import app_of, ask
from tests.support.setup_errors import raises_code

T = TypeVar("T")

NAMES_FIELDS = Version(pydantic.VERSION) >= Version("2.12")
"""Whether pydantic says which field of a model does not fit."""
MISFIT_OF_MODEL = "at /user_name: expected `str`, got int" if NAMES_FIELDS else "at its top: expected `str`, got "


class Public(msgspec.Struct, rename="camel"):
    user_name: str


class Private(Public):
    password: str = "secret"


@dataclass
class Note:
    title: str


@dataclass
class Draft(Note):
    password: str = "secret"


@attrs.define
class Tag:
    name: str


@attrs.define
class SecretTag(Tag):
    password: str = "secret"


class Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)
    user_name: str


class SecretModel(Model):
    password: str = "secret"


@pydantic_dataclass
class Account:
    user_name: str = Field(default="ada", serialization_alias="userName")
    token: SecretStr = SecretStr("secret")
    note: str = Field(default="secret", exclude=True)


@pydantic_dataclass
class SecretAccount(Account):
    password: str = "secret"


class Row(TypedDict):
    title: str
    author: NotRequired[Public]


class Pair(NamedTuple):
    left: Public
    right: int


class Page(msgspec.Struct, Generic[T], omit_defaults=True):
    items: list[T]
    total: int = 0
    first: T | None = None


@dataclass
class Box(Generic[T]):
    item: T
    others: dict[str, list[T]] = field(default_factory=dict)


class Tree(msgspec.Struct):
    owner: Public
    children: list["Tree"] = []


class Cat(msgspec.Struct, tag=True):
    name: str


class Kitten(Cat, tag="kitten"):
    password: str = "secret"


class Dog(msgspec.Struct, tag=True):
    owner: Public


class Mixed(msgspec.Struct):
    model: Model
    account: Account | None = None


class Models(RootModel[list[Model]]): ...


class Colour(enum.StrEnum):
    RED = "red"


UserId = NewType("UserId", int)
ADA = {"userName": "ada"}
PRIVATE = Private("ada")
SECRET_MODEL = SecretModel(user_name="ada")
ACCOUNT = {"userName": "ada", "token": "**********"}
ANY_ACCOUNT = ACCOUNT | {"password": "secret"}


class Stored:
    """A row of a database, with more than leaves."""

    user_name = "ada"
    password = "secret"


def app_declaring(response: Any, make: Callable[[], Any], *, by: str = "decorator", **options: Any) -> App:
    """Return an application whose handler declares a type by its decorator or annotation, or answers by the context."""
    if by == "annotation":

        @Controller("")
        class Promising:
            @Get("/")
            async def show(self) -> response:  # type: ignore[valid-type]
                return make()

        return app_of(Promising, **options)

    @Controller("")
    class Declared:
        @Get("/", response=response)
        async def show(self, ctx: RequestContext) -> Any:
            return ctx.json(make()) if by == "context" else make()

    return app_of(Declared, **options)


CASES: list[tuple[Any, Callable[[], Any], Any]] = [
    (Public, lambda: PRIVATE, ADA),
    (Note, lambda: Draft("a"), {"title": "a"}),
    (Tag, lambda: SecretTag("a"), {"name": "a"}),
    (Model, lambda: SECRET_MODEL, ADA),
    (Account, SecretAccount, ACCOUNT),
    (list[Public], lambda: [Public("bob"), PRIVATE], [{"userName": "bob"}, ADA]),
    (Sequence[Public], lambda: (PRIVATE,), [ADA]),
    (set[int], lambda: {1}, [1]),
    (tuple[Public, ...], lambda: (PRIVATE,), [ADA]),
    (tuple[Public, int], lambda: (PRIVATE, 1), [ADA, 1]),
    (dict[str, Public], lambda: {"a": PRIVATE}, {"a": ADA}),
    (Mapping[str, list[Note]], lambda: {"a": [Draft("a")]}, {"a": [{"title": "a"}]}),
    (Public | None, lambda: PRIVATE, ADA),
    (Note | Public, lambda: PRIVATE, ADA),
    (Public | Note | str, lambda: Draft("a"), {"title": "a"}),
    (Cat | Dog, lambda: Dog(PRIVATE), {"type": "Dog", "owner": ADA}),
    (Cat | Dog, lambda: Kitten("Tom"), {"type": "Cat", "name": "Tom"}),
    (list[Model | Public], lambda: [PRIVATE, SECRET_MODEL], [ADA, ADA]),
    (Row, lambda: {"title": "a", "author": PRIVATE, "password": "secret"}, {"title": "a", "author": ADA}),
    (list[Row], lambda: [{"title": "a", "password": "secret"}], [{"title": "a"}]),
    (Pair, lambda: Pair(PRIVATE, 1), [ADA, 1]),
    (Page[Public], lambda: Page(items=[PRIVATE], first=PRIVATE), {"items": [ADA], "first": ADA}),
    (Page[Model], lambda: Page(items=[SECRET_MODEL], total=1), {"items": [ADA], "total": 1}),
    (Box[Public], lambda: Box(PRIVATE, {"a": [PRIVATE]}), {"item": ADA, "others": {"a": [ADA]}}),
    (Box[Note | None], lambda: Box(Draft("a")), {"item": {"title": "a"}, "others": {}}),
    (
        Tree,
        lambda: Tree(Public("b"), [Tree(PRIVATE, [Tree(PRIVATE)])]),
        {
            "owner": {"userName": "b"},
            "children": [{"owner": ADA, "children": [{"owner": ADA, "children": []}]}],
        },
    ),
    (Mixed, lambda: Mixed(SECRET_MODEL, SecretAccount()), {"model": ADA, "account": ACCOUNT}),
    (Models, lambda: Models([SECRET_MODEL]), [ADA]),
    (Annotated[list[Public], "described"], lambda: [PRIVATE], [ADA]),
    (Annotated[decimal.Decimal, PlainSerializer(float)], lambda: decimal.Decimal("1.5"), 1.5),
    (list[Annotated[int, Field(ge=1)]], lambda: [1], [1]),
    (UserId, lambda: UserId(7), 7),
    (Literal["a", "b"], lambda: "a", "a"),
    (list[Colour], lambda: [Colour.RED], ["red"]),
    (str, lambda: Colour.RED, "red"),
    (float, lambda: 1, 1),
    (dict[str, float | None], lambda: {"a": 1, "b": None}, {"a": 1, "b": None}),
    (list[datetime.date], lambda: [datetime.date(2020, 1, 2)], ["2020-01-02"]),
    (Iterator[Public], lambda: iter([PRIVATE]), [ADA]),
    (Public, Stored, ADA),
    (Model, Stored, ADA),
    (list[Public], lambda: [{"userName": "ada", "password": "secret"}], [ADA]),
    (list[Model], lambda: [{"userName": "ada", "password": "secret"}], [ADA]),
    (dict[str, Any], lambda: {"a": [PRIVATE, SecretAccount()]}, {"a": [ADA | {"password": "secret"}, ANY_ACCOUNT]}),
    (list[Any], lambda: [1, None], [1, None]),
]


@pytest.mark.parametrize("by", ["decorator", "annotation", "context"])
@pytest.mark.parametrize(("response", "make", "wanted"), CASES, ids=itertools.count())
async def test_only_the_fields_of_the_declared_type_leave(
    response: Any, make: Callable[[], Any], wanted: Any, by: str
) -> None:
    answer = await ask(app_declaring(response, make, by=by), "/")
    assert (answer.status, answer.json()) == (200, wanted)


@pytest.mark.parametrize(
    ("response", "value", "said"),
    [
        (Public, None, "at its top: expected Public, got None"),
        (Model, None, "at its top: "),
        (Public, 7, "at its top: expected Public, got int"),
        (Public, Note("a"), "at its top: expected Public, got"),
        (list[Public], None, "at its top: expected list[Public], got None"),
        (list[Public], [PRIVATE, None], "at /1: expected Public, got None"),
        (list[Model], [SECRET_MODEL, None], "at /1: "),
        (dict[str, list[Public]], {"a/b": [Public("x"), 7]}, "at /a~1b/1: expected Public, got int"),
        (Page[Public], Page(items=[None]), "at /items/0: expected Public, got None"),
        (Tree, Tree(PRIVATE, [Tree(None)]), "at /children/0/owner: expected Public, got None"),  # type: ignore[arg-type]
        (Public, {"password": "x"}, "at /userName: expected a field of Public, got nothing"),
        (Public, {"userName": 7}, "at /userName: expected str, got int"),
        (Model, {"userName": 7}, "at /userName: "),
        (Model, Model.model_construct(user_name=7), MISFIT_OF_MODEL),
        (dict[str, str], {"a": 1}, "at /a: expected str, got int"),
        (dict[str, str], {"a": PRIVATE}, "at /a: expected str, got tests.http.handlers.test_response_types.Private"),
        (list[int], [1, "2"], "at /1: expected int, got str"),
        (int, True, "at its top: expected int, got bool"),
        (datetime.date, datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), "expected date, got datetime.datetime"),
        (tuple[int, str], (1,), "at its top: expected tuple[int, str], got tuple"),
        (Literal["a"], "b", "at its top: expected Literal['a'], got str"),
        (Row, {}, "at /title: expected a field of Row, got nothing"),
        (int | str, 1.5, "at its top: expected int | str, got float"),
        (Cat | Dog, Dog(7), "at /owner: expected Public, got int"),  # type: ignore[arg-type]
        (Cat | Dog, {"type": "Cow", "name": "a"}, "at /type: "),
    ],
    ids=itertools.count(),
)
@pytest.mark.parametrize("by", ["decorator", "annotation"])
async def test_what_does_not_fit_is_a_500_whose_log_names_the_place(
    response: Any, value: Any, said: str, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(app_declaring(response, lambda: value, by=by), "/")
    assert answer.status == 500
    assert said not in answer.text
    (record,) = caplog.records
    error = record.exc_info and record.exc_info[1]
    assert isinstance(error, InvalidResponse)
    assert said in str(error)
    assert "show() at tests/http/handlers/test_response_types.py" in str(error)


@pytest.mark.parametrize(
    "response",
    [Any, object, Response, Response | None, T, "missing"],
    ids=str,
)
async def test_what_says_nothing_of_data_promises_nothing(response: Any) -> None:
    @Controller("")
    class Saying:
        async def show(self, ctx: RequestContext):  # type: ignore[no-untyped-def]
            return {"a": PRIVATE}

        if response != "missing":
            show.__annotations__["return"] = response
        show = Get("/")(show)

    assert (await ask(app_of(Saying), "/")).json() == {"a": {"userName": "ada", "password": "secret"}}


@Controller("")
class Several:
    @Get("/declared", response=Public)
    async def declared(self, ctx: RequestContext) -> Response:
        return ctx.json(PRIVATE)

    @Get("/problem", response=Public)
    async def problem(self, ctx: RequestContext) -> Response:
        return ctx.json({"sorry": True}, 409)

    @Get("/annotated")
    async def annotated(self, ctx: RequestContext) -> Public:
        return ctx.json(PRIVATE)  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    @Get("/either")
    async def either(self, ctx: RequestContext) -> Public | Response:
        return ctx.json({"free": True})

    @Get("/either-data")
    async def either_data(self) -> Public | Response:
        return PRIVATE

    @Get("/nothing")
    async def nothing(self, ctx: RequestContext) -> None:
        ctx.json({"free": True})

    @Get("/optional")
    async def optional(self) -> Public | None:
        return None

    @Get("/sent", response=list[Public])
    async def sent(self, ctx: RequestContext) -> None:
        ctx.json([PRIVATE])

    @Get("/thread")
    def thread(self) -> list[Public]:
        return [PRIVATE]

    @Get("/events")
    async def events(self, ctx: RequestContext) -> AsyncIterator[Public]:
        async def events() -> AsyncIterator[Any]:
            yield ServerSentEvent(data=PRIVATE)
            yield {"userName": "bob", "password": "secret"}

        return ctx.sse(events())  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/declared", 200, '{"userName":"ada"}'),
        ("/problem", 409, '{"sorry":true}'),
        ("/annotated", 200, '{"userName":"ada"}'),
        ("/either", 200, '{"free":true}'),
        ("/either-data", 200, '{"userName":"ada"}'),
        ("/nothing", 200, '{"free":true}'),
        ("/optional", 204, ""),
        ("/sent", 200, '[{"userName":"ada"}]'),
        ("/thread", 200, '[{"userName":"ada"}]'),
        ("/events", 200, 'data: {"userName":"ada"}\n\ndata: {"userName":"bob"}\n\n'),
    ],
)
async def test_the_promise_holds_for_each_way_of_a_response(path: str, status: int, text: str) -> None:
    answer = await ask(app_of(Several), path)
    assert (answer.status, answer.text) == (status, text)


async def test_an_event_that_does_not_fit_cuts_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    @Controller("")
    class Events:
        @Get("/", response=AsyncIterator[Public])
        async def events(self, ctx: RequestContext) -> Response:
            async def events() -> AsyncIterator[Any]:
                yield {"userName": "ada"}
                yield {"userName": 7}

            return ctx.sse(events())

    with caplog.at_level(logging.ERROR), pytest.raises(InvalidResponse, match="at /userName: expected str, got int"):
        await ask(app_of(Events), "/")


async def test_responses_of_middleware_are_not_the_handlers() -> None:
    async def wrapping(ctx: RequestContext, call_next: Any) -> Any:
        await call_next(ctx)
        return ctx.json({"wrapped": True})

    app = app_declaring(Public, lambda: PRIVATE, by="context", middleware=[wrapping])
    assert (await ask(app, "/")).json() == {"wrapped": True}


async def test_the_argument_of_a_generic_controller_is_the_promise() -> None:
    class Crud(Generic[T]):
        @Get("/")
        async def show(self) -> list[T]:
            return [PRIVATE]  # type: ignore[list-item]  # pyright: ignore[reportReturnType]

    @Controller("")
    class Users(Crud[Public]): ...

    assert (await ask(app_of(Users), "/")).json() == [ADA]


def test_a_type_that_does_not_exist_at_run_time_stops_the_start() -> None:
    class Lost(msgspec.Struct):
        item: "Missing"  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]

    with raises_code("di-unresolved-hint", match="Missing"):
        app_declaring(list[Lost], list)

    @Controller("")
    class Lacking:
        @Get("/")
        async def show(self) -> "Missing":  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore
            return 1

    with raises_code("di-unresolved-hint", match="the return of"):
        app_of(Lacking)


async def test_encoders_of_the_application_hold_within_declared_types() -> None:
    class Priced(msgspec.Struct):
        price: Stored
        owner: Public

    app = app_declaring(
        Priced, lambda: Priced(Stored(), PRIVATE), by="annotation", encoders={Stored: lambda stored: stored.user_name}
    )
    assert (await ask(app, "/")).json() == {"price": "ada", "owner": ADA}


# What it costs


class Flat(msgspec.Struct):
    name: str
    number: int
    tags: list[str]
    made: datetime.datetime | None = None


@pytest.mark.parametrize("hint", [Flat, Flat | None, Flat | Public, str, int | None, Colour])
def test_an_exact_value_is_written_by_msgspec_alone(hint: Any) -> None:
    encoder = JSONEncoder()
    writer = writer_of(ResponseType(hint), encoder, "show()")
    assert writer.write is encoder.write
    assert writer.check is None
    assert writer.kinds


@pytest.mark.parametrize("hint", [dict[str, str], list[int], list[int] | None, dict[str, list[float]], tuple[int, str]])
def test_containers_of_plain_values_are_checked_in_c(hint: Any) -> None:
    writer = writer_of(ResponseType(hint), JSONEncoder(), "show()")
    assert writer.check is not None
    assert writer.kinds & {dict, list, tuple}


def test_a_list_of_exact_values_costs_little_more_than_msgspec() -> None:
    encoder = JSONEncoder()
    writer = writer_of(ResponseType(list[Flat]), encoder, "show()")
    items = [Flat("name", number, ["a", "b"]) for number in range(2000)]

    def ratio() -> float:
        began = time.thread_time()
        for _ in range(5):
            encoder.write(items)
        between = time.thread_time()
        for _ in range(5):
            writer.encode(items)
        return (time.thread_time() - between) / (between - began)

    assert min(ratio() for _ in range(7)) < 2


def test_what_a_handler_declares_can_be_read() -> None:
    async def events() -> AsyncIterator[Public]:
        yield PRIVATE

    assert declared_response(Several.either, None, {}) == ResponseType(Public)
    assert declared_response(events, None, {}) == ResponseType(Any, Public, for_context=True)
    assert declared_response(events, list[int], {}).hint == list[int]  # type: ignore[union-attr]

"""The declared type of a response is a promise: only its fields leave, at any depth, and what does not fit is a 500."""

import datetime
import decimal
import enum
import itertools
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, RootModel, SecretStr, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as pydantic_dataclass

from kick import App, Controller, Get, RequestContext, Response, ServerSentEvent
from kick.http.handlers.response_types import InvalidResponse, ResponseType, declared_response, writer_of
from kick.http.projections.compiler import Compiler
from kick.http.validation.encoding import JSONEncoder
from tests.http.support import app_of, ask
from tests.support.costs import assert_costs_at_most
from tests.support.setup_errors import raises_code

T = TypeVar("T")


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


class Team(BaseModel):
    lead: Model
    members: list[Model] = []


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
WRONG_MODEL = Model.model_construct(user_name=7)
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
        (Model, WRONG_MODEL, "at /user_name: expected `str`, got int"),
        (Team, Team.model_construct(lead=WRONG_MODEL), "at /lead/user_name: expected `str`, got int"),
        (Team, Team(lead=SECRET_MODEL).model_copy(update={"members": [WRONG_MODEL]}), "at /members: expected `str`"),
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


class Plain(msgspec.Struct):
    name: str
    number: int
    made: datetime.datetime | None = None


class Flat(msgspec.Struct):
    name: str
    number: int
    tags: list[str]
    made: datetime.datetime | None = None


@pytest.mark.parametrize("hint", [Plain, Plain | None, Plain | Public, str, int | None, Colour])
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


class Shelf(msgspec.Struct):
    name: str
    books: list[Flat]
    best: Flat | None = None


class SecretFlat(Flat):
    password: str = "secret"


class SecretShelf(Shelf):
    password: str = "secret"


def plain() -> list[Plain]:
    return [Plain("name", number) for number in range(100)]


def flats(cls: Any = Flat) -> list[Any]:
    return [cls("name", number, ["a", "b"]) for number in range(100)]


def shelves(cls: Any, book: Any) -> list[Any]:
    return [cls("name", [book("a", 1, []), book("b", 2, [])], book("c", 3, [])) for _ in range(100)]


def as_dicts(values: list[Any]) -> Any:
    return [msgspec.structs.asdict(each) for each in values]


COSTS: list[tuple[Any, list[Any], list[Any], float]] = [
    (list[Plain], plain(), plain(), 2.5),
    (list[Flat], flats(), flats(), 5),
    (list[Shelf], shelves(Shelf, Flat), shelves(Shelf, Flat), 6),
    (list[Flat], flats(SecretFlat), flats(), 16),
    (list[Flat], as_dicts(flats(SecretFlat)), flats(), 16),
    (list[Shelf], shelves(SecretShelf, SecretFlat), shelves(Shelf, Flat), 22),
]


@pytest.mark.parametrize(
    ("hint", "values", "same", "most"), COSTS, ids=["plain", "exact", "nested", "subclass", "dicts", "nested subclass"]
)
def test_a_declared_response_costs_a_small_multiple_of_msgspec(
    hint: Any, values: list[Any], same: list[Any], most: float
) -> None:
    encoder = JSONEncoder()
    encode = writer_of(ResponseType(hint), encoder, "show()").encode
    assert encode(values) == encoder.write(same)
    assert_costs_at_most(
        most, lambda: [encode(values) for _ in range(20)], lambda: [encoder.write(same) for _ in range(20)]
    )


def test_pydantic_writes_a_list_of_models_in_one_call() -> None:
    encode = writer_of(ResponseType(list[Model]), JSONEncoder(), "show()").encode
    models: list[Model] = [SecretModel(user_name=str(number)) for number in range(100)]
    dump = TypeAdapter(list[Model]).dump_json
    assert_costs_at_most(
        4, lambda: [encode(models) for _ in range(20)], lambda: [dump(models, by_alias=True) for _ in range(20)]
    )


# Many values are examined together: each is written as it is alone


class Day(msgspec.Struct):
    day: datetime.date
    note: str | msgspec.UnsetType = msgspec.UNSET


class SecretDay(Day):
    password: str = "secret"


class Empty(msgspec.Struct):
    pass


class SecretEmpty(Empty):
    password: str = "secret"


class Sparse(msgspec.Struct, omit_defaults=True, array_like=False, rename={"tags": "labels"}):
    name: str
    tags: list[str] = []
    owner: Public | None = None


class SecretSparse(Sparse):
    password: str = "secret"


class Slotted:
    __slots__ = ("name", "password")

    def __init__(self, name: str) -> None:
        self.name = name
        self.password = "secret"


class TagRow(NamedTuple):
    """A row with names, as those of SQLAlchemy are."""

    name: str
    password: str = "secret"


TODAY = datetime.date(2027, 1, 31)
PRIVATE_CAT = Kitten("Tom")
TOGETHER: list[tuple[Any, list[Any], list[Any]]] = [
    (
        Public,
        [Public("b"), PRIVATE, Stored(), {"userName": "c", "x": 1}],
        [{"userName": "b"}, ADA, ADA, {"userName": "c"}],
    ),
    (Public, [{"userName": "c", "x": 1}, {"user_name": "d"}], [{"userName": "c"}, {"userName": "d"}]),
    (Public | None, [None, PRIVATE, Public("b"), None], [None, ADA, {"userName": "b"}, None]),
    (Public | Note, [PRIVATE, Draft("a"), PRIVATE], [ADA, {"title": "a"}, ADA]),
    (Public | str, ["x", PRIVATE, "y", PRIVATE], ["x", ADA, "y", ADA]),
    (list[Public], [[PRIVATE], [], [PRIVATE, Public("b")]], [[ADA], [], [ADA, {"userName": "b"}]]),
    (list[list[Public]], [[[PRIVATE], []], []], [[[ADA], []], []]),
    (Sequence[Public], [(PRIVATE,), {1: PRIVATE}.values()], [[ADA], [ADA]]),
    (dict[str, Public], [{"a": PRIVATE}, {}], [{"a": ADA}, {}]),
    (
        Day,
        [SecretDay(TODAY), SecretDay(TODAY, "x"), Day(TODAY)],
        [{"day": "2027-01-31"}, {"day": "2027-01-31", "note": "x"}, {"day": "2027-01-31"}],
    ),
    (Empty, [SecretEmpty(), Empty()], [{}, {}]),
    (
        Sparse,
        [SecretSparse("a"), SecretSparse("b", ["t"], PRIVATE)],
        [{"name": "a"}, {"name": "b", "labels": ["t"], "owner": ADA}],
    ),
    (
        Sparse,
        [{"name": "a"}, {"name": "b", "labels": ["t"], "owner": PRIVATE}],
        [{"name": "a"}, {"name": "b", "labels": ["t"], "owner": ADA}],
    ),
    (Tag, [TagRow("a"), TagRow("b")], [{"name": "a"}, {"name": "b"}]),
    (Tag | None, [TagRow("a"), None], [{"name": "a"}, None]),
    (Tag, [Slotted("a"), Slotted("b")], [{"name": "a"}, {"name": "b"}]),
    (Tag, [SecretTag("a"), SecretTag("b")], [{"name": "a"}, {"name": "b"}]),
    (
        Tree,
        [Tree(PRIVATE, [Tree(PRIVATE), Tree(Public("b"))]), Tree(PRIVATE)],
        [
            {"owner": ADA, "children": [{"owner": ADA, "children": []}, {"owner": {"userName": "b"}, "children": []}]},
            {"owner": ADA, "children": []},
        ],
    ),
    (
        Cat | Dog,
        [Kitten("Tom"), Dog(PRIVATE), Kitten("Tim")],
        [{"type": "Cat", "name": "Tom"}, {"type": "Dog", "owner": ADA}, {"type": "Cat", "name": "Tim"}],
    ),
    (
        Account | dict[str, Cat],
        [{}, SecretAccount(), {"a": Cat("Tom")}],
        [{}, ACCOUNT, {"a": {"type": "Cat", "name": "Tom"}}],
    ),
    (list[Cat] | list[Tag], [[PRIVATE_CAT], [Tag("a")]], [[{"type": "Cat", "name": "Tom"}], [{"name": "a"}]]),
    (Cat, [{"type": "Cat", "name": "Tom"}], [{"type": "Cat", "name": "Tom"}]),
    (Pair, [Pair(PRIVATE, 1), (Public("b"), 2)], [[ADA, 1], [{"userName": "b"}, 2]]),
    (Model, [SECRET_MODEL, Stored()], [ADA, ADA]),
    (Model | None, [SECRET_MODEL, None], [ADA, None]),
]


@pytest.mark.parametrize(("hint", "values", "wanted"), TOGETHER, ids=itertools.count())
@pytest.mark.parametrize("container", [list, tuple])
def test_values_in_a_list_are_written_as_each_is_alone(
    hint: Any, values: list[Any], wanted: list[Any], container: Any
) -> None:
    encode_one = writer_of(ResponseType(hint), JSONEncoder(), "show()").encode
    encode_all = writer_of(ResponseType(list[hint]), JSONEncoder(), "show()").encode
    assert [msgspec.json.decode(encode_one(each)) for each in values] == wanted
    assert msgspec.json.decode(encode_all(container(values))) == wanted


@pytest.mark.parametrize(
    ("hint", "value", "said"),
    [
        (list[Public], [PRIVATE, Private(7)], "at /1/userName: expected str, got int"),  # type: ignore[arg-type]
        (list[Public], [{"userName": "a"}, {"userName": 7}], "at /1/userName: expected str, got int"),
        (list[list[Public]], [[PRIVATE], [PRIVATE, 7]], "at /1/1: expected Public, got int"),
        (list[Shelf], [SecretShelf("a", [SecretFlat("a", "b", [])])], "at /0/books/0/number: expected int, got str"),  # type: ignore[arg-type]
        (list[Public | None], [None, PRIVATE, 7], "at /2: expected Public | None, got int"),
        (list[Model], [SECRET_MODEL, WRONG_MODEL], "at /1/user_name: expected `str`, got int"),
        (
            list[Day],
            [Day(datetime.datetime(2027, 1, 1, 8, tzinfo=datetime.UTC))],
            "at /0/day: expected date, got datetime",
        ),
    ],
    ids=itertools.count(),
)
def test_the_place_of_what_does_not_fit_is_exact_in_lists(hint: Any, value: Any, said: str) -> None:
    with pytest.raises(InvalidResponse, match=re.escape(said)):
        writer_of(ResponseType(hint), JSONEncoder(), "show()").encode(value)


def test_a_datetime_is_more_than_a_date_in_an_exact_value_too() -> None:
    encode = writer_of(ResponseType(Day), JSONEncoder(), "show()").encode
    assert encode(Day(TODAY)) == b'{"day":"2027-01-31"}'
    with pytest.raises(InvalidResponse, match="at /day: expected date, got datetime"):
        encode(Day(datetime.datetime(2027, 1, 31, 8, tzinfo=datetime.UTC)))


def test_a_value_that_holds_itself_is_an_error() -> None:
    tree = Tree(PRIVATE)
    tree.children.append(tree)
    with pytest.raises(RecursionError):
        writer_of(ResponseType(Tree), JSONEncoder(), "show()").encode(tree)


def test_what_a_handler_declares_can_be_read() -> None:
    assert declared_response(Public | Response, None, {}) == ResponseType(Public, Public)
    assert declared_response(AsyncIterator[Public], None, {}) == ResponseType(Any, Public, for_context=True)
    assert declared_response(AsyncIterator[Public], list[int], {}).hint == list[int]  # type: ignore[union-attr]


class Text(str):
    """A text that could say more."""


@pytest.mark.parametrize(
    "hint", [list[str], list[float], set[int], dict[str, int], dict[str, object], list[datetime.date]], ids=str
)
@pytest.mark.parametrize(
    "value",
    [
        *([], ["a"], [Text("a")], ["a", Text("a")], [1], [1.5, 2], [True], [None], [[1]], {1}),
        *({}, {"a": 1}, {"a": True}, {"a": Text("b")}, {Text("a"): 1}, {1: 1}),
        *([TODAY], [datetime.datetime(2027, 1, 31, tzinfo=datetime.UTC)]),
    ],
    ids=repr,
)
def test_the_check_of_containers_by_types_agrees_with_the_one_of_each_part(hint: Any, value: Any) -> None:
    projection = Compiler(JSONEncoder()).compile(hint)
    if type(value) in projection.outer_kinds:
        assert projection.quick_check is not None
        assert projection.quick_check(value) is projection.is_exact(value)

"""JSON may be nested so deep that all that is read can be written again, and no deeper: the answer is a 400."""

import dataclasses
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar, cast

import attrs
import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from kick import App, Controller, Get, Module, Post, RequestContext, bootstrap
from kick.exceptions import BadRequest, UnprocessableEntity
from kick.http.validation.conversion import json_decoder
from kick.http.validation.json_text import MOST_LEVELS, decode_json, is_too_deep
from kick.http.validation.type_parts import may_be_deep
from kick.session import session
from kick.testing import TestClient
from tests.http.support import app_of, ask
from tests.support.costs import assert_costs_at_most

T = TypeVar("T")
JSON = {"content-type": "application/json"}
SECRET = "a secret of at least thirty-two bytes"


class Tree(msgspec.Struct):
    kids: "list[Tree]" = []


class Chain(msgspec.Struct):
    next: "Chain | None" = None


class Mixed(msgspec.Struct):
    kids: "dict[str, Mixed | int] | list[Mixed] | None" = None


class Pairs(msgspec.Struct):
    kids: "tuple[Pairs | None, int] | None" = None


class Left(msgspec.Struct, tag=True):
    kids: "list[Left | Right]" = []


class Right(msgspec.Struct, tag=True):
    kids: "list[Left | Right]" = []


class Generations(msgspec.Struct, Generic[T]):
    value: T
    kids: "list[Generations[T]]" = []


@dataclasses.dataclass
class Note:
    kids: "list[Note]" = dataclasses.field(default_factory=list)


@attrs.define
class Strict:
    kids: "list[Strict | None]" = attrs.field(factory=list)


@attrs.define(slots=False)
class Loose:
    kids: "dict[str, Loose | None] | None" = None


class Row(TypedDict, total=False):
    next: "Row | None"


class Rows(TypedDict, total=False):
    kids: "dict[str, list[Rows | int]]"


class Named(NamedTuple):
    kids: "Sequence[Named]"


class Open(msgspec.Struct):
    name: str = ""
    rest: Any = None


class Model(pydantic.BaseModel):
    kids: "list[Model]" = []


class Free(pydantic.BaseModel):
    rest: Any = None


@pydantic.dataclasses.dataclass
class Account:
    kids: "dict[str, Account]" = pydantic.Field(default_factory=dict)


KIDS = ('{"kids":[', "]}")
BY_NAME = ('{"kids":{"a":', "}}")
ARRAY, OBJECT, NEXT = ("[", "]"), ('{"a":', "}"), ('{"next":', "}")
OF_TEN: Any = list[list[list[list[list[list[list[list[list[list[int]]]]]]]]]]

DEEP: dict[str, tuple[Any, tuple[str, str], str]] = {
    "Struct": (Tree, KIDS, ""),
    "Struct in a field": (Chain, NEXT, "{}"),
    "Structs in dictionaries of a union": (Mixed, BY_NAME, "{}"),
    "Structs in lists of a union": (Mixed, KIDS, ""),
    "Structs in tuples": (Pairs, ('{"kids":[', ",1]}"), "null"),
    "tagged Structs": (Left | Right, ('{"type":"Left","kids":[', "]}"), ""),
    "tagged Structs, the tag at the end": (Left | Right, ('{"kids":[', '],"type":"Right"}'), ""),
    "generic Struct": (Generations[int], ('{"value":1,"kids":[', "]}"), ""),
    "list of Structs": (list[Tree], KIDS, ""),
    "Struct or nothing": (Tree | None, KIDS, ""),
    "dataclass": (Note, KIDS, ""),
    "attrs class": (Strict, KIDS, ""),
    "attrs class without slots": (Loose, BY_NAME, "null"),
    "TypedDict": (Row, NEXT, "{}"),
    "TypedDict in lists of dictionaries": (Rows, ('{"kids":{"a":[', "]}}"), "1"),
    "named tuple": (Named, ("[[", "]]"), ""),
    "Any, arrays": (Any, ARRAY, "1"),
    "Any, objects": (Any, OBJECT, "1"),
    "Any, both": (Any, ('{"a":[', "]}"), "1"),
    "list": (list[Any], ARRAY, "1"),
    "list without its items": (list, ARRAY, "1"),
    "lists of lists": (list[list[Any]], ARRAY, "1"),
    "dictionary": (dict[str, Any], OBJECT, "1"),
    "dictionaries of dictionaries": (dict[str, dict[str, Any]], OBJECT, "1"),
    "Any in a Struct": (Open, ARRAY, "1"),
    "model": (Model, KIDS, ""),
    "models": (list[Model], KIDS, ""),
    "model or Struct": (Model | None, KIDS, ""),
    "Any in a model": (Free, ARRAY, "1"),
    "dataclass of pydantic": (Account, BY_NAME, "{}"),
}


IN_LISTS = ("list of Structs", "models")


def nested(name: str, levels: int) -> tuple[Any, bytes]:
    """Return a type and a body of about so many levels: not more, and at most two less."""
    hint, (opens, closes), leaf = DEEP[name]
    before, behind = ('{"rest":', "}") if hint in (Open, Free) else ("[", "]") if name in IN_LISTS else ("", "")
    rounds = (levels - depth_of(before + leaf)) // depth_of(opens)
    return hint, f"{before}{opens * rounds}{leaf}{closes * rounds}{behind}".encode()


def depth_of(text: str) -> int:
    """Return how many arrays and objects begin in a text."""
    return text.count("[") + text.count("{")


def app_returning(hint: Any, **options: Any) -> App:
    """Return an application that answers with the body, and declares its type."""

    async def give(self: Any, body: Any) -> Any:
        return body

    give.__annotations__ = {"body": hint, "return": hint}
    return app_of(Controller()(type("Giving", (), {"give": Post("/")(give)})), **options)


async def waiting(ctx: RequestContext, call_next: Callable[..., Awaitable[Any]]) -> Any:
    """Be a layer of middleware."""
    return await call_next(ctx)


@pytest.mark.parametrize("layers", [0, 60])
@pytest.mark.parametrize("name", DEEP)
async def test_the_deepest_body_that_is_accepted_is_written_as_it_came(name: str, layers: int) -> None:
    hint, body = nested(name, MOST_LEVELS)
    answer = await ask(app_returning(hint, middleware=[waiting] * layers), "/", method="POST", body=body, headers=JSON)
    assert answer.status == 200, answer.text
    assert depth_of(answer.text) >= depth_of(body.decode())


class Draft(msgspec.Struct):
    text: Any = None


@pytest.mark.parametrize("data", [None, Draft])
@pytest.mark.parametrize(
    "body", ["[" * MOST_LEVELS + "]" * MOST_LEVELS, '{"$":[' * 50 + "]}" * 50], ids=["plain", "tagged"]
)
def test_the_deepest_body_that_is_accepted_can_be_stored_in_the_session(
    data: type | None, body: str, tmp_path: Path
) -> None:
    @Controller("")
    class Drafts:
        @Post("/")
        async def keep(self, ctx: RequestContext, body: Any) -> None:
            if data is None:
                ctx.session.data["drafts"] = [body]
            else:
                cast(Any, ctx.session.data).text = [body]

        @Get("/")
        async def show(self, ctx: RequestContext) -> Any:
            return ctx.session.data["drafts"] if data is None else cast(Any, ctx.session.data).text

    layer = session(SECRET, data=data, store=f"sqlite:///{tmp_path}/sessions.db")
    with TestClient(bootstrap([Module("drafts", controllers=[Drafts])], [layer])) as client:
        assert client.post("/", content=body, headers=JSON).status_code == 204
        assert client.get("/").json() == [json.loads(body)]


@pytest.mark.parametrize("more", [3, 40, 300, 800, 30_000])
@pytest.mark.parametrize("name", DEEP)
async def test_a_body_that_is_deeper_is_a_bad_request(name: str, more: int) -> None:
    hint, body = nested(name, MOST_LEVELS + more)
    answer = await ask(app_returning(hint), "/", method="POST", body=body, headers=JSON)
    assert (answer.status, answer.locations) == (400, ["/body"])
    assert answer.json()["detail"] == "The body is nested too deeply."


@pytest.mark.parametrize("depth", [MOST_LEVELS, MOST_LEVELS + 1])
async def test_a_body_that_the_handler_reads_itself_has_the_same_limit(depth: int) -> None:
    @Controller("")
    class Reading:
        @Post("/")
        async def read(self, ctx: RequestContext) -> Any:
            await ctx.read()
            return ctx.body

    body = b"[" * depth + b"]" * depth
    answer = await ask(app_of(Reading), "/", method="POST", body=body, headers=JSON)
    assert answer.status == (200 if depth == MOST_LEVELS else 400)


@pytest.mark.parametrize("depth", [20, MOST_LEVELS, MOST_LEVELS + 1, 300, 900])
async def test_json_in_a_form_has_the_same_limit(depth: int) -> None:
    @dataclasses.dataclass
    class Sent:
        rest: dict[str, Any]

    @Controller("")
    class Taking:
        @Post("/")
        async def take(self, body: Sent) -> Sent:
            return body

    text = '{"a":' * depth + "1" + "}" * depth
    answer = await ask(app_of(Taking), "/", method="POST", form=f"rest={text}")
    assert answer.status == (200 if depth <= MOST_LEVELS else 422)


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("[" * 100 + "]" * 100, False),
        ("[" * 101 + "]" * 101, True),
        ('{"a":' * 100 + "1" + "}" * 100, False),
        ('{"a":' * 101 + "1" + "}" * 101, True),
        (f"[{','.join(['[]'] * 5000)}]", False),
        (f"[{','.join(['[[[[[[]]]]]]'] * 5000)}]", False),
        (f"[{','.join(['[]'] * 5000)},{'[' * 100}{']' * 100}]", True),
        (f"[{'[' * 100}{']' * 100},{','.join(['[]'] * 5000)}]", True),
        (f'["{"[" * 5000}"]', False),
        (f'["{"]" * 5000}",{"[" * 100}{"]" * 100}]', True),
        (f'["\\"{"]" * 5000}",{"[" * 100}{"]" * 100}]', True),
        (f'["\\\\",{"[" * 100}{"]" * 100},"\\\\"]', True),
        (f'["\\\\\\"{"[" * 5000}"]', False),
        (f'["\\\\\\\\",{"[" * 99}{"]" * 99},"[[[[["]', False),
        (f'["\\u005b","é{"{" * 5000}","",""]', False),
        (f'{{"{"]" * 500}":"","":{"[" * 100}{"]" * 100}}}', True),
        (" [" * 101 + "] " * 101, True),
    ],
)
def test_the_levels_of_arrays_and_objects_are_counted(text: str, *, refused: bool, as_text: bool) -> None:
    assert is_too_deep(text if as_text else text.encode()) == refused
    decode: Callable[[Any], Any] = json_decoder(Any)
    if refused:
        with pytest.raises(BadRequest, match="nested too deeply"):
            decode(text if as_text else text.encode())
    else:
        assert decode(text if as_text else text.encode()) == msgspec.json.decode(text)


@pytest.mark.parametrize("text", ["]" * 500, "[]" * 500, '"' * 500, "\\" * 500, "[" * 50 + "]" * 500])
def test_what_is_no_json_remains_malformed(text: str) -> None:
    with pytest.raises(BadRequest, match="not valid JSON"):
        decode_json(text.encode())


def test_parts_of_no_interest_are_skipped_however_deep() -> None:
    body = b'{"name":"a","more":' + b"[" * 300 + b"]" * 300 + b"}"

    class Short(msgspec.Struct):
        name: str

    assert json_decoder(Short)(body) == Short("a")
    with pytest.raises((UnprocessableEntity, BadRequest)):
        json_decoder(Short)(body.replace(b'"a"', b"1"))


@pytest.mark.parametrize(
    ("hint", "is_endless"),
    [
        (int, False),
        (dict[str, list[int]], False),
        (OF_TEN, False),
        (Generations[int], True),
        (Tree, True),
        (Rows, True),
        (Named, True),
        (Strict, True),
        (list[Left | int], True),
        (dict, True),
        (Mapping[str, Any], True),
        (tuple[int, Any], True),
        (msgspec.Raw, False),
    ],
    ids=str,
)
def test_only_types_that_have_no_end_are_counted(hint: Any, *, is_endless: bool) -> None:
    assert may_be_deep(hint) == is_endless


@pytest.mark.parametrize(
    "text",
    [
        '[{"name":"a","price":"1","n":1,"tags":["x","y"]}' + ',{"name":"a","tags":["x\\n","[y]"]}' * 20_000 + "]",
        "[" + ",".join(["[" * 90 + "]" * 90] * 3000) + "]",
        "[" + ",".join(["[[]]"] * 100_000) + "]",
    ],
    ids=["objects", "deep arrays", "small arrays"],
)
def test_counting_costs_no_more_than_reading(text: str) -> None:
    body = text.encode()
    assert not is_too_deep(body)
    assert_costs_at_most(2.5, lambda: is_too_deep(body), lambda: msgspec.json.decode(body))


def test_what_is_too_deep_is_refused_at_once() -> None:
    body, flat = b"[" * (1 << 19) + b"]" * (1 << 19), b"[" + b"1," * (1 << 19) + b"1]"
    assert is_too_deep(body)
    assert_costs_at_most(4, lambda: is_too_deep(body), lambda: msgspec.json.decode(flat))

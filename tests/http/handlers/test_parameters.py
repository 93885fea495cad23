"""Headers and cookies as parameters of handlers."""

import datetime
import enum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta

from kick import (
    App,
    Body,
    Controller,
    Cookie,
    Get,
    Header,
    KickError,
    Post,
    Query,
    RequestContext,
    Service,
    UnprocessableEntity,
)
from kick.http import FromBody, FromCookie, FromHeader, FromQuery
from tests.http.support import Headers, app_of, ask


def app_asking(hint: Any, name: str = "value", default: Any = msgspec.UNSET) -> App:
    """An application whose one handler answers with a parameter."""
    names: dict[str, Any] = {}
    exec(f"async def show(self, {name}): return {name}", names)
    show = names["show"]
    show.__annotations__[name] = hint
    if default is not msgspec.UNSET:
        show.__defaults__ = (default,)
    return app_of(Controller()(type("Asking", (), {"show": Get("/")(show)})))


class Colour(enum.Enum):
    RED = "red"


Tag = Annotated[str, Meta(max_length=3)]


# Names


@pytest.mark.parametrize(
    ("hint", "parameter", "header"),
    [
        (Header[str], "user_agent", "User-Agent"),
        (Header[str], "x__y", "X--Y"),
        (Header[str], "ctx_id", "ctx-id"),
        (Header[str], "body", "Body"),
        (Header[str], "query", "Query"),
        (Annotated[str, FromHeader("X-Token")], "token", "x-TOKEN"),
        (Annotated[Header[str], FromHeader("x_token")], "token", "X_Token"),
    ],
)
async def test_a_header_has_the_name_of_its_parameter_or_one_of_its_own(hint: Any, parameter: str, header: str) -> None:
    app = app_asking(hint, parameter)
    assert (await ask(app, "/", headers={header: "é 1"})).json() == "é 1"
    answer = await ask(app, "/", headers={"other": "1"})
    assert (answer.status, answer.errors) == (422, {f"/header/{header.lower()}": "missing"})


@pytest.mark.parametrize(
    ("hint", "parameter", "cookie"),
    [
        (Cookie[str], "theme", "theme"),
        (Cookie[str], "dark_mode", "dark_mode"),
        (Annotated[str, FromCookie("a~b")], "theme", "a~b"),
    ],
)
async def test_a_cookie_has_the_name_of_its_parameter_or_one_of_its_own(hint: Any, parameter: str, cookie: str) -> None:
    app = app_asking(hint, parameter)
    assert (await ask(app, "/", headers={"cookie": f'other=1; {cookie}="a%20b"'})).json() == "a b"
    answer = await ask(app, "/", headers={"cookie": "other=1"})
    assert (answer.status, answer.errors) == (422, {f"/cookie/{cookie.replace('~', '~0')}": "missing"})


# Values


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (str, "", ""),
        (int, "42", 42),
        (float, "0.5", 0.5),
        (bool, "true", True),
        (bool, "0", False),
        (UUID, "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"),
        (datetime.date, "2024-02-29", "2024-02-29"),
        (Colour, "red", "red"),
        (Literal["dark", "light"], "dark", "dark"),
        (Tag, "abc", "abc"),
        (int | None, "1", 1),
        (str | None, "null", "null"),
    ],
)
@pytest.mark.parametrize("marker", [Header, Cookie])
async def test_texts_become_values_of_the_type(marker: Any, hint: Any, text: str, value: Any) -> None:
    headers = {"value": text} if marker is Header else {"cookie": f"value={text}"}
    assert (await ask(app_asking(marker[hint]), "/", headers=headers)).json() == value


@pytest.mark.parametrize(
    ("hint", "text", "code"),
    [
        (int, "x", "type"),
        (int, "", "type"),
        (int, "1.5", "type"),
        (UUID, "1", "invalid"),
        (Colour, "green", "enum"),
        (Literal["dark", "light"], "blue", "enum"),
        (Tag, "abcd", "length"),
        (Annotated[int, Meta(ge=1)], "0", "range"),
    ],
)
async def test_what_does_not_fit_is_a_422_with_its_place(hint: Any, text: str, code: str) -> None:
    answer = await ask(app_asking(Header[hint]), "/", headers={"value": text})
    assert (answer.status, answer.errors) == (422, {"/header/value": code})
    answer = await ask(app_asking(Cookie[hint]), "/", headers={"cookie": f"value={text}"})
    assert (answer.status, answer.errors) == (422, {"/cookie/value": code})


@pytest.mark.parametrize("hint", [Header[Tag] | None, Header[Tag | None]])
async def test_an_optional_header_may_be_written_either_way(hint: Any) -> None:
    app = app_asking(hint, default=None)
    assert (await ask(app, "/", headers={"value": "abc"})).json() == "abc"
    assert (await ask(app, "/")).status == 204
    assert (await ask(app, "/", headers={"value": "abcd"})).errors == {"/header/value": "length"}


@pytest.mark.parametrize("marker", [Header, Cookie])
async def test_a_default_stands_in_for_what_is_missing_and_for_nothing_else(marker: Any) -> None:
    app = app_asking(marker[int | None], default=None)
    assert (await ask(app, "/")).status == 204
    bad: Headers = {"value": "x"} if marker is Header else {"cookie": "value=x"}
    assert (await ask(app, "/", headers=bad)).status == 422


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        (["a, b,c ,,"], ["a", "b", "c"]),
        (["a", "b, c"], ["a", "b", "c"]),
        (['"a, b", c'], ['"a, b"', "c"]),
        (['W/"1\\",2", "3'], ['W/"1\\",2"', '"3']),
        ([""], []),
    ],
)
async def test_a_header_that_is_a_list_is_taken_apart_at_its_commas(lines: list[str], values: list[str]) -> None:
    answer = await ask(app_asking(Header[list[str]]), "/", headers=[("value", line) for line in lines])
    assert answer.json() == values


async def test_items_of_a_list_are_validated_one_by_one() -> None:
    app = app_asking(Header[set[int]])
    assert (await ask(app, "/", headers={"value": "1, 2, 1"})).json() == [1, 2]
    assert (await ask(app, "/", headers={"value": "1, x, y"})).errors == {
        "/header/value/1": "type",
        "/header/value/2": "type",
    }


async def test_a_header_that_came_twice_is_one_value_with_a_comma() -> None:
    headers = [("value", "1"), ("value", "2")]
    assert (await ask(app_asking(Header[str]), "/", headers=headers)).json() == "1, 2"
    assert (await ask(app_asking(Header[int]), "/", headers=headers)).errors == {"/header/value": "type"}


async def test_long_lists_take_no_longer_than_they_are() -> None:
    text = '"' + '\\",' * 20_000
    assert (await ask(app_asking(Header[list[str]]), "/", headers={"value": text})).json() == [text]


# Together


@Service(scope="request")
class Visitor:
    def __init__(self, ctx: RequestContext) -> None:
        self.ip = ctx.client_ip


class Note(msgspec.Struct):
    title: str


class Page(msgspec.Struct):
    page: int = 1


@Controller("/{number}")
class Notes:
    @Post()
    async def create(
        self,
        number: int,
        if_match: Header[str],
        body: Note,
        visitor: Visitor,
        *,
        query: Page,
        theme: Cookie[Literal["dark", "light"]] = "light",
        depth: Header[int] = 0,
    ) -> Any:
        return [number, if_match, body.title, visitor.ip, query.page, theme, depth]


async def test_markers_stand_beside_every_other_kind_of_parameter() -> None:
    answer = await ask(
        app_of(Notes),
        "/7?page=2",
        method="POST",
        json={"title": "a"},
        headers={"if-match": "*", "cookie": "theme=dark", "depth": "3"},
    )
    assert answer.json() == [7, "*", "a", "192.0.2.7", 2, "dark", 3]


async def test_every_part_of_a_request_tells_what_is_wrong_with_it() -> None:
    headers = {"cookie": "theme=blue", "depth": "deep"}
    answer = await ask(app_of(Notes), "/7?page=x", method="POST", json={"title": 1}, headers=headers)
    assert answer.status == 422
    assert answer.json()["detail"] == "5 things are wrong with the request."
    assert answer.errors == {
        "/header/if-match": "missing",
        "/body/title": "type",
        "/query/page": "type",
        "/cookie/theme": "enum",
        "/header/depth": "type",
    }


async def test_a_part_that_cannot_be_read_at_all_is_a_400_whatever_else_is_wrong() -> None:
    for headers, body in (({}, b"{"), ({"if-match": "*"}, b"{")):
        answer = await ask(
            app_of(Notes), "/7", method="POST", body=body, headers={"content-type": "application/json", **headers}
        )
        assert (answer.status, answer.errors) == (400, {"/body": "json"})


class Judged(msgspec.Struct):
    title: str

    def __post_init__(self) -> None:
        raise UnprocessableEntity("That is no title.")


async def test_an_error_that_a_type_raises_itself_is_sent_as_it_is() -> None:
    @Controller()
    class Judging:
        @Post()
        async def create(self, body: Judged, depth: Header[int] = 0) -> None: ...

    answer = await ask(app_of(Judging), "/", method="POST", json={"title": "a"})
    assert (answer.status, answer.json()["detail"]) == (422, "That is no title.")
    answer = await ask(app_of(Judging), "/", method="POST", json={"title": 1}, headers={"depth": "x"})
    assert answer.errors == {"/body/title": "type", "/header/depth": "type"}


# Body and Query


class Item(msgspec.Struct):
    name: str
    count: int = 1


@pytest.mark.parametrize("hint", [Body[Item], Annotated[Item, FromBody()], Annotated[Item, "doc", FromBody()]])
async def test_a_body_may_have_any_name(hint: Any) -> None:
    @Controller()
    class Items:
        @Post("/items")
        async def create(self, item: hint) -> list[Any]:  # type: ignore[valid-type]
            return [item.name, item.count]  # type: ignore[attr-defined]

    app = app_of(Items)
    assert (await ask(app, "/items", method="POST", json={"name": "a"})).json() == ["a", 1]
    assert (await ask(app, "/items", method="POST", form="name=a&count=2")).json() == ["a", 2]
    assert (await ask(app, "/items", method="POST", json={"name": "a", "count": "x"})).locations == ["/body/count"]


@pytest.mark.parametrize("hint", [Query[Item], Annotated[Item, FromQuery()]])
async def test_a_query_may_have_any_name(hint: Any) -> None:
    @Controller()
    class Items:
        @Get("/items")
        async def index(self, filters: hint) -> list[Any]:  # type: ignore[valid-type]
            return [filters.name, filters.count]  # type: ignore[attr-defined]

    app = app_of(Items)
    assert (await ask(app, "/items?name=a&count=3")).json() == ["a", 3]
    assert (await ask(app, "/items?name=a&count=x")).locations == ["/query/count"]


async def test_a_marked_body_may_be_left_out() -> None:
    @Controller()
    class Items:
        @Post("/items")
        async def create(self, item: Body[Item | None] = None, also: Body[Item] | None = None) -> str: ...

        @Post("/one")
        async def one(self, item: Body[Item] | None = None) -> str:
            return "none" if item is None else item.name

    with pytest.raises(KickError, match="takes the body as item and as also; a request has one"):
        app_of(Items)
    del Items.create
    app = app_of(Items)
    assert (await ask(app, "/one", method="POST")).json() == "none"
    assert (await ask(app, "/one", method="POST", json={"name": "a"})).json() == "a"


async def test_a_query_and_a_body_are_told_apart_and_both_are_checked() -> None:
    @Controller()
    class Items:
        @Post("/items")
        async def create(self, item: Body[Item], options: Query[Item]) -> list[str]:
            return [item.name, options.name]

    app = app_of(Items)
    assert (await ask(app, "/items?name=q", method="POST", json={"name": "b"})).json() == ["b", "q"]
    assert sorted((await ask(app, "/items", method="POST", json={})).locations) == ["/body/name", "/query/name"]


async def test_the_marker_counts_and_not_the_name() -> None:
    @Controller()
    class Items:
        @Post("/items")
        async def create(self, query: Body[Item], body: Query[Item]) -> list[str]:
            return [query.name, body.name]

    answer = await ask(app_of(Items), "/items?name=q", method="POST", json={"name": "b"})
    assert answer.json() == ["b", "q"]

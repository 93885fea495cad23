"""One parameter of the query string as a parameter of a handler: `limit: Query[int] = 10`."""

import datetime
import enum
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
from msgspec import Meta

from kick import Controller, Get, Header, KickError, Module, Provider, Query, Service, Socket, WebSocket, bootstrap
from kick.http import BigInt, FromQuery
from kick.openapi import OpenAPI
from kick.testing import TestClient
from tests.http.handlers.test_parameters import app_asking
from tests.http.support import app_of, ask


class Colour(enum.Enum):
    RED = "red"


class Page(msgspec.Struct):
    number: int = 1


class Model(pydantic.BaseModel):
    number: int = 1


class Named(TypedDict, total=False):
    number: int


Tag = Annotated[str, Meta(max_length=3)]
Small = Annotated[int, pydantic.Field(le=9)]


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (str, "caf%C3%A9+au+lait", "café au lait"),
        (str, "", ""),
        (str | None, "", ""),
        (int, "42", 42),
        (int, "1&value=2", 2),
        (float, "0.5", 0.5),
        (Decimal, "0.50", "0.50"),
        (bool, "on", True),
        (bool, "false", False),
        (UUID, "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"),
        (datetime.date, "2024-02-29", "2024-02-29"),
        (datetime.time, "12:30", "12:30:00"),
        (Colour, "red", "red"),
        (Literal["dark", "light"], "dark", "dark"),
        (Tag, "abc", "abc"),
        (int | None, "1", 1),
        (BigInt, str(10**30), 10**30),
        (list[int], "1&value=2", [1, 2]),
        (tuple[int, ...], "1", [1]),
        (set[str], "a&value=a", ["a"]),
        (list[Colour] | None, "red", ["red"]),
        (Small, "9", 9),
        (pydantic.PositiveInt, "9", 9),
    ],
)
async def test_a_text_becomes_a_value_of_the_type(hint: Any, text: str, value: Any) -> None:
    app = app_asking(Query[hint])
    assert (await ask(app, f"/?other=x&value={text}")).json() == value


@pytest.mark.parametrize(
    ("hint", "text", "errors"),
    [
        (int, "x", {"/query/value": "type"}),
        (int, "", {"/query/value": "missing"}),
        (int, str(2**63), {"/query/value": "range"}),
        (float, "nan", {"/query/value": "range"}),
        (Annotated[int, Meta(ge=1)], "0", {"/query/value": "range"}),
        (Colour, "green", {"/query/value": "enum"}),
        (Tag, "abcd", {"/query/value": "length"}),
        (list[int], "1&value=x&value=y", {"/query/value/1": "type", "/query/value/2": "type"}),
        (Small, "10", {"/query/value": "less_than_equal"}),
    ],
)
async def test_what_does_not_fit_is_a_422_with_its_place(hint: Any, text: str, errors: dict[str, str]) -> None:
    answer = await ask(app_asking(Query[hint]), f"/?value={text}")
    assert (answer.status, answer.errors) == (422, errors)


@pytest.mark.parametrize("text", ["", "?", "?other=1", "?value="])
async def test_a_default_stands_in_for_what_is_missing(text: str) -> None:
    assert (await ask(app_asking(Query[int], default=10), f"/{text}")).json() == 10
    assert (await ask(app_asking(Query[int | None], default=None), f"/{text}")).status == 204
    answer = await ask(app_asking(Query[int]), f"/{text}")
    assert (answer.status, answer.errors) == (422, {"/query/value": "missing"})
    assert (await ask(app_asking(Query[list[str]], default=[]), "/?other=1")).json() == []


@pytest.mark.parametrize("marker", [Query, Header])
async def test_each_request_gets_a_default_of_its_own(marker: Any) -> None:
    class Lists:
        @Get("/")
        async def show(self, values: Any = ["a"]) -> Any:  # noqa: B006  # what it is about
            values.append("b")
            return values

    Lists.show.__annotations__["values"] = marker[list[str]]
    app = app_of(Controller()(Lists))
    for _ in range(2):
        assert (await ask(app, "/")).json() == ["a", "b"]


@pytest.mark.parametrize(
    ("hint", "name", "sent"),
    [
        (Query[str], "query", "query"),
        (Query[str], "body", "body"),
        (Annotated[str, FromQuery("page[size]")], "size", "page%5Bsize%5D"),
        (Annotated[Query[str], FromQuery("from")], "since", "from"),
    ],
)
async def test_it_has_the_name_of_the_parameter_or_one_of_its_own(hint: Any, name: str, sent: str) -> None:
    app = app_asking(hint, name)
    assert (await ask(app, f"/?{sent}=1&since=2&size=2")).json() == "1"
    assert (await ask(app, "/?since=2&size=2")).status == 422


@pytest.mark.parametrize("hint", [Page, Model, Named, dict[str, int], Page | None])
async def test_a_type_with_fields_takes_the_whole_query_string(hint: Any) -> None:
    assert (await ask(app_asking(Query[hint], "page"), "/?number=7")).json() == {"number": 7}


@pytest.mark.parametrize("hint", [Annotated[Page, FromQuery("page")], Annotated[list[Page], FromQuery("value")]])
def test_a_name_and_fields_do_not_go_together(hint: Any) -> None:
    with pytest.raises(KickError, match=r"\[handler-type\] Asking.show\(\) at .* takes value: .*Query\["):
        app_asking(hint)


@Service(scope="request")
class Limits:
    def __init__(self, limit: Query[int] = 10, tags: Query[list[str]] = []) -> None:  # noqa: B006  # it is copied
        self.limit = limit
        self.tags = tags


def offset(offset: Query[Annotated[int, Meta(ge=0)]] = 0) -> "Offset":
    return Offset(offset)


class Offset:
    def __init__(self, value: int) -> None:
        self.value = value


@Controller("/notes")
class Notes:
    @Get()
    async def all(
        self,
        limits: Limits,
        offset: Offset,
        colour: Query[Colour | None] = None,
        since: Annotated[datetime.date | None, FromQuery("from"), Meta(description="The first day")] = None,
        count: Query[Annotated[int, Meta(ge=1, le=100)]] = 20,
        ids: Query[list[int]] = [],  # noqa: B006  # it is copied
    ) -> list[Any]:
        return [limits.limit, limits.tags, offset.value, colour, since, count, ids]

    @WebSocket("/live")
    async def live(self, socket: Socket[str, str], room: Query[str]) -> None:
        await socket.send(room)


MODULE = Module("notes", controllers=[Notes], providers=[Limits, Provider(Offset, factory=offset, scope="request")])


async def test_providers_take_them_too_and_all_errors_are_reported() -> None:
    app = bootstrap([MODULE])
    target = "/notes?limit=3&tags=a&tags=b&offset=5&colour=red&from=2026-01-02&count=7&ids=1&ids=2"
    assert (await ask(app, target)).json() == [3, ["a", "b"], 5, "red", "2026-01-02", 7, [1, 2]]
    assert (await ask(app, "/notes")).json() == [10, [], 0, None, None, 20, []]
    answer = await ask(app, "/notes?colour=x&count=0&ids=x")
    assert answer.errors == {"/query/colour": "enum", "/query/count": "range", "/query/ids/0": "type"}
    assert (await ask(app, "/notes?limit=x")).errors == {"/query/limit": "type"}
    assert (await ask(app, "/notes?offset=-1")).errors == {"/query/offset": "range"}
    assert (await ask(app, "/notes?count=%ff")).status == 400


def test_a_socket_takes_one() -> None:
    with TestClient(bootstrap([MODULE])) as client, client.websocket_connect("/notes/live?room=a") as socket:
        assert socket.receive_text() == "a"


def test_the_document_lists_them() -> None:
    with TestClient(bootstrap([MODULE], openapi=OpenAPI(title="Notes", version="1"))) as client:
        operation = client.get("/openapi.json").json()["paths"]["/notes"]["get"]
    listed = {each["name"]: each for each in operation["parameters"]}
    assert all(each["in"] == "query" and "required" not in each for each in listed.values())
    assert listed["count"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert listed["ids"]["schema"]["type"] == "array"
    assert listed["from"]["description"] == "The first day"
    assert list(listed) == ["colour", "from", "count", "ids", "limit", "tags", "offset"]
    assert {"400", "422"} <= set(operation["responses"])


async def test_a_text_that_may_be_missing_is_no_reason_for_a_422() -> None:
    @Controller("/search")
    class Searches:
        @Get()
        async def find(self, q: Query[str | None] = None) -> str:
            return q or ""

        @Get("/strict")
        async def strict(self, q: Query[str]) -> str:
            return q

    app = bootstrap([Module("s", controllers=[Searches])], openapi=OpenAPI(title="S", version="1"))
    paths = (await ask(app, "/openapi.json")).json()["paths"]
    assert "422" not in paths["/search"]["get"]["responses"]
    assert "422" in paths["/search/strict"]["get"]["responses"]
    (parameter,) = paths["/search/strict"]["get"]["parameters"]
    assert parameter == {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}

"""Addresses of routes by their names."""

import enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kick import Controller, Get, Module, Post, RequestContext, Socket, WebSocket, bootstrap
from tests.http.support import app_of, ask
from tests.support.setup_errors import raises_code

SOME_ID = UUID("6f1b2f3e-0c1d-4b5a-8e9f-001122334455")


class Colour(enum.Enum):
    RED = "red"
    DEEP_BLUE = "deep blue"


@Controller("/users")
class UserController:
    @Get()
    @Get("/{user_id}")
    @Post("/{user_id}")
    async def show(self, user_id: int = 0) -> int:
        return user_id

    @Get("/{user_id}/köln", name="town")
    async def in_town(self, user_id: int) -> None: ...


@Controller("/kinds")
class Kinds:
    @Get("/int/{it}")
    async def whole(self, it: int) -> Any:
        return it

    @Get("/float/{it}")
    async def real(self, it: float) -> Any:
        return it

    @Get("/uuid/{it}")
    async def unique(self, it: UUID) -> Any:
        return it

    @Get("/text/{it}")
    async def text(self, it: str) -> Any:
        return it

    @Get("/enum/{it}")
    async def colour(self, it: Colour) -> Any:
        return it

    @Get("/choice/{it}")
    async def choice(self, it: Annotated[Literal["a", "b"], "one of two"]) -> Any:
        return it

    @Get("/rest/{it:path}")
    async def rest(self, it: str) -> Any:
        return it


@Controller()
class Everything:
    @Get("/{it:path}")
    async def rest(self, it: str) -> str:
        return it


APP = app_of(UserController, Kinds)


@pytest.mark.parametrize(
    ("name", "values", "url"),
    [
        ("UserController.show", {"user_id": 1}, "/users/1"),
        ("UserController.show", {"user_id": "1"}, "/users/1"),
        ("UserController.show", {}, "/users"),
        ("town", {"user_id": 7}, "/users/7/k%C3%B6ln"),
        ("test:town", {"user_id": 7}, "/users/7/k%C3%B6ln"),
        ("Kinds.text", {"it": "a/b c?d#e%f"}, "/kinds/text/a%2Fb%20c%3Fd%23e%25f"),
        ("Kinds.text", {"it": "a+b&c=d;e:f@g"}, "/kinds/text/a+b&c=d;e:f@g"),
        ("Kinds.text", {"it": SOME_ID}, f"/kinds/text/{SOME_ID}"),
        ("Kinds.text", {"it": 5}, "/kinds/text/5"),
        ("Kinds.real", {"it": 1.5}, "/kinds/float/1.5"),
        ("Kinds.real", {"it": 2}, "/kinds/float/2"),
        ("Kinds.unique", {"it": SOME_ID}, f"/kinds/uuid/{SOME_ID}"),
        ("Kinds.colour", {"it": Colour.DEEP_BLUE}, "/kinds/enum/deep%20blue"),
        ("Kinds.colour", {"it": "red"}, "/kinds/enum/red"),
        ("Kinds.choice", {"it": "b"}, "/kinds/choice/b"),
        ("Kinds.rest", {"it": "a b/c"}, "/kinds/rest/a%20b/c"),
        ("Kinds.rest", {"it": ""}, "/kinds/rest/"),
        ("UserController.show", {"page": 2, "tag": ["a b", "c&d"], "no": None}, "/users?page=2&tag=a%20b&tag=c%26d"),
        ("UserController.show", {"user_id": 3, "on": True, "colour": Colour.RED}, "/users/3?on=true&colour=red"),
        ("UserController.show", {"name": "x", "self": "y"}, "/users?name=x&self=y"),
        ("UserController.show", {"nothing": None}, "/users"),
    ],
)
def test_the_address_of_a_route(name: str, values: dict[str, Any], url: str) -> None:
    assert APP.url_for(name, **values) == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("whole", "x"),
        ("whole", 1.0),
        ("whole", True),
        ("whole", None),
        ("whole", 10**19),
        ("real", float("nan")),
        ("real", float("inf")),
        ("unique", "6f1b"),
        ("text", ""),
        ("text", "."),
        ("text", ".."),
        ("text", None),
        ("text", object()),
        ("text", b"bytes"),
        ("text", "\ud800"),
        ("colour", "green"),
        ("colour", "RED"),
        ("choice", "c"),
        ("rest", "../secret"),
        ("rest", "a/./b"),
    ],
)
def test_a_value_that_would_not_lead_back_is_refused(name: str, value: object) -> None:
    with raises_code("url-value", match=r"cannot be the parameter 'it'.* Its path is '/kinds/"):
        APP.url_for(f"Kinds.{name}", it=value)


def test_a_value_that_cannot_be_in_a_query_is_refused() -> None:
    for value in (object(), {"a": 1}, b"x", "\ud800", [object()]):
        with raises_code("url-value", match="query string"):
            APP.url_for("UserController.show", filter=value)


def test_what_is_missing_is_named_with_the_path() -> None:
    with raises_code("url-value") as caught:
        APP.url_for("town", userid=7)
    assert "it needs 'user_id'" in caught.value.cause
    assert caught.value.fix == "Pass it: `user_id=1`."


def test_a_wrong_name_lists_the_nearest() -> None:
    for wrong, near in {
        "UserController.shwo": "`UserController.show`",
        "usercontroller.show": "`UserController.show`",
        "kinds.Text": "`Kinds.text`",
        "show": "`UserController.show`",
        "tests:town": "`test:town`",
    }.items():
        with raises_code("url-name") as caught:
            APP.url_for(wrong)
        assert near in caught.value.fix, wrong
    with raises_code("url-name", match="Give the application a route first"):
        bootstrap([]).url_for("Users.show")


@settings(max_examples=200, deadline=None)
@given(text=st.text(min_size=1, max_size=12).filter(lambda text: text not in (".", "..")))
async def test_every_text_comes_back_as_it_was(text: str) -> None:
    assert (await ask(APP, APP.url_for("Kinds.text", it=text))).json() == text


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="/ab.%\\?#é ", max_size=8).filter(lambda text: not {".", ".."} & {*text.split("/")}))
async def test_every_rest_comes_back_as_it_was_and_leads_to_no_host(text: str) -> None:
    app = app_of(Everything)
    url = app.url_for("Everything.rest", it=text)
    assert not url.startswith(("//", "/\\"))
    assert (await ask(app, url)).json() == text


async def test_the_context_adds_the_root_path() -> None:
    @Controller("/where")
    class Where:
        @Get()
        async def here(self, ctx: RequestContext) -> str:
            return ctx.url_for("Where.here", page=2)

    app = app_of(Where)
    for root_path, url in {"": "/where?page=2", "/a b": "/a%20b/where?page=2", "/": "/where?page=2"}.items():
        answer = await ask(app, f"{root_path.rstrip('/')}/where".replace(" ", "%20"), root_path=root_path)
        assert answer.json() == url


def test_prefixes_are_part_of_the_address() -> None:
    app = bootstrap([Module("users", controllers=[UserController], prefix="/shop", version="v2")], prefix="/api")
    assert app.url_for("UserController.show", user_id=1) == "/api/v2/shop/users/1"


async def test_of_several_routes_of_one_name_the_module_says_which() -> None:
    @Controller("/things")
    class Things:
        @Get()
        async def index(self, ctx: RequestContext) -> str:
            return ctx.url_for("Things.index")

    @Controller("/other")
    class Other:
        @Get()
        async def index(self, ctx: RequestContext) -> str:
            return ctx.url_for("new:Things.index")

        @Get("/ambiguous")
        async def ambiguous(self, ctx: RequestContext) -> str:
            return ctx.url_for("Things.index")

    app = bootstrap(
        [
            Module("old", controllers=[Things], prefix="/v1"),
            Module("new", controllers=[Things], prefix="/v2"),
            Module("third", controllers=[Other]),
        ]
    )
    assert (await ask(app, "/v1/things")).json() == "/v1/things"
    assert (await ask(app, "/v2/things")).json() == "/v2/things"
    assert (await ask(app, "/other")).json() == "/v2/things"
    assert (await ask(app, "/other/ambiguous")).status == 500
    with raises_code("url-ambiguous") as caught:
        app.url_for("Things.index")
    assert caught.value.cause.endswith("could be /v1/things of Module 'old' and /v2/things of Module 'new'.")
    assert caught.value.fix == "Name the module too: `old:Things.index`, `new:Things.index`."


def test_two_paths_of_one_handler_need_a_name() -> None:
    @Controller()
    class Twice:
        @Get("/a/{number}")
        @Get("/b/{number}", name="b")
        @Get("/c/{number}")
        async def show(self, number: int) -> None: ...

    app = app_of(Twice)
    assert app.url_for("b", number=1) == "/b/1"
    with raises_code("url-ambiguous", match='name="other"'):
        app.url_for("Twice.show", number=1)


def test_what_is_mounted_has_an_address_too() -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None: ...

    app = bootstrap([Module("web", prefix="/web", mounts={"/old/app": other, "/": other, "/s/{shop}": other})])
    assert app.url_for("web.old.app") == "/web/old/app"
    assert app.url_for("web.old.app", path="a b/c", page=1) == "/web/old/app/a%20b/c?page=1"
    assert app.url_for("web.old.app", path="/a") == "/web/old/app/a"
    assert app.url_for("web", path="") == "/web/"
    assert app.url_for("web.s.{shop}", shop="corner", path="x") == "/web/s/corner/x"
    root = bootstrap([Module("site", mounts={"/": other})])
    assert [root.url_for("site"), root.url_for("site", path="//evil.test")] == ["/", "/evil.test"]
    with raises_code("url-value"):
        app.url_for("web.old.app", path="../x")


def test_a_websocket_has_an_address() -> None:
    @Controller("/rooms")
    class Rooms:
        @WebSocket("/{room}/messages")
        async def messages(self, socket: Socket, room: str) -> None: ...

    assert app_of(Rooms, prefix="/api").url_for("Rooms.messages", room="a b") == "/api/rooms/a%20b/messages"

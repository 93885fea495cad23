"""Which handler a path leads to, and what it gets."""

import enum
import random
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal, NewType

import pytest

from kick import App, Controller, Delete, Get, Head, KickError, Module, Options, Post, Put, RequestContext, bootstrap
from kick.errors import SetupErrors
from tests.http.support import app_of, ask

UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"
    DEEP_BLUE = "deep blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


def app_with(path: str, hint: Any) -> App:
    """An application whose one handler tells the value of the parameter `it`."""

    async def show(self: Any, it: Any) -> dict[str, Any]:
        return {"type": type(it).__name__, "value": it}

    show.__annotations__["it"] = hint
    return app_of(Controller("/at")(type("Shower", (), {"show": Get(path)(show)})))


def router_of(*paths: str) -> Callable[[str], Any]:
    """The path of the route that serves a target, whatever the order in which they were declared."""
    apps = []
    for seed in range(4):
        shuffled = list(paths)
        random.Random(seed).shuffle(shuffled)
        members: dict[str, Any] = {}
        for index, path in enumerate(shuffled):

            async def tell(self: Any, ctx: RequestContext) -> str:
                assert ctx.route is not None
                return ctx.route.path

            members[f"h{index}"] = Get(path)(tell)
        apps.append(app_of(Controller()(type("Paths", (), members))))

    async def find(target: str) -> Any:
        answers = [await ask(app, target) for app in apps]
        assert len({answer.body for answer in answers if answer.status != 404}) <= 1
        assert len({answer.status for answer in answers}) == 1
        return answers[0].json() if answers[0].status == 200 else answers[0].status

    return find


@pytest.mark.parametrize(
    ("hint", "sent", "value"),
    [
        (int, "42", 42),
        (int, "-7", -7),
        (int, "007", 7),
        (float, "1.5", 1.5),
        (float, "-2e3", -2000.0),
        (float, "3", 3.0),
        (str, "a b", None),
        (str, "caf%C3%A9", "café"),
        (Any, "x", "x"),
        (Colour, "deep%20blue", "deep blue"),
        (Level, "2", 2),
        (Literal["a", "b"], "b", "b"),
        (Literal[1, 2], "2", 2),
        (int | None, "5", 5),
        (UserId, "9", 9),
        (Annotated[int, "an id"], "9", 9),
        (uuid.UUID, "6f1b2f3e-0c1d-4b5a-8e9f-001122334455", "6f1b2f3e-0c1d-4b5a-8e9f-001122334455"),
    ],
)
async def test_a_parameter_is_converted_to_its_type(hint: Any, sent: str, value: object) -> None:
    answer = await ask(app_with("/{it}", hint), f"/at/{sent}")
    assert answer.status == 200
    assert answer.json()["value"] == (sent if value is None else value)


@pytest.mark.parametrize(
    ("hint", "sent"),
    [
        (int, "x"),
        (int, "1.0"),
        (int, "+1"),
        (int, "1_000"),
        (int, "--1"),
        (int, "-"),
        (int, "%D9%A1"),  # an Arabic-Indic digit
        (int, "9" * 5000),
        (float, "nan"),
        (float, "inf"),
        (float, "-Infinity"),
        (float, "1e999"),
        (float, "1_0.0"),
        (float, "%201"),
        (float, "0x10"),
        (Colour, "green"),
        (Colour, "RED"),
        (Level, "3"),
        (Literal["a", "b"], "c"),
        (uuid.UUID, "6f1b2f3e0c1d4b5a8e9f001122334455"),
        (uuid.UUID, "%7B6f1b2f3e-0c1d-4b5a-8e9f-001122334455%7D"),
        (uuid.UUID, "urn:uuid:6f1b2f3e-0c1d-4b5a-8e9f-001122334455"),
        (str, ""),
        (int, ""),
    ],
)
async def test_what_is_not_convertible_is_not_found(hint: Any, sent: str) -> None:
    answer = await ask(app_with("/{it}", hint), f"/at/{sent}")
    assert answer.status == 404
    assert answer.header("content-type") == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "sent", "value"),
    [
        ("/{it:int}", "7", 7),
        ("/{it:float}", "7", 7.0),
        ("/{it:str}", "7", "7"),
        ("/{it:uuid}", "6F1B2F3E-0C1D-4B5A-8E9F-001122334455", "6f1b2f3e-0c1d-4b5a-8e9f-001122334455"),
        ("/{it:path}", "a/b/c", "a/b/c"),
        ("/{it:path}", "a//c/", "a//c/"),
        ("/{it:path}", "", ""),
    ],
)
async def test_the_path_may_say_the_type(path: str, sent: str, value: object) -> None:
    answer = await ask(app_with(path, Any), f"/at/{sent}")
    assert answer.json()["value"] == value


async def test_the_most_specific_route_wins_whatever_the_order() -> None:
    find = router_of("/x/{p:path}", "/x/{s}", "/x/{f:float}", "/x/{n:int}", "/x/me", "/x/{u:uuid}")
    assert await find("/x/me") == "/x/me"
    assert await find("/x/12") == "/x/{n:int}"
    assert await find("/x/1.5") == "/x/{f:float}"
    assert await find("/x/6f1b2f3e-0c1d-4b5a-8e9f-001122334455") == "/x/{u:uuid}"
    assert await find("/x/you") == "/x/{s}"
    assert await find("/x/you/and/me") == "/x/{p:path}"
    assert await find("/x/") == "/x/{p:path}"
    assert await find("/y") == 404


async def test_a_specific_segment_that_leads_nowhere_is_given_up() -> None:
    find = router_of("/a/b/c", "/a/{x}/d", "/{w}/b/e", "/{rest:path}")
    assert await find("/a/b/c") == "/a/b/c"
    assert await find("/a/b/d") == "/a/{x}/d"
    assert await find("/a/b/e") == "/{w}/b/e"
    assert await find("/a/b/f") == "/{rest:path}"


async def test_a_choice_is_found_before_any_text() -> None:
    @Controller()
    class Choices:
        @Get("/{word}")
        async def any_word(self, word: str) -> str:
            return f"word {word}"

        @Get("/{colour}")
        async def colour(self, colour: Colour) -> str:
            return f"colour {colour.value}"

    assert (await ask(app_of(Choices), "/red")).json() == "colour red"
    assert (await ask(app_of(Choices), "/reddish")).json() == "word reddish"


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("a%2Fb", "a/b"),
        ("%2F", "/"),
        ("100%25", "100%"),
        ("%2525", "%25"),
        ("%252F", "%2F"),
        ("a+b", "a+b"),
        ("%F0%9F%90%8D", "🐍"),
        ("%00", "\0"),
        ("...%2Fb.%2F.c%2F..d", ".../b./.c/..d"),
        ("a;b=1", "a;b=1"),
    ],
)
async def test_a_segment_is_percent_decoded_exactly_once(sent: str, value: str) -> None:
    answer = await ask(app_with("/{it}", str), f"/at/{sent}")
    assert answer.json()["value"] == value


@pytest.mark.parametrize(
    "sent",
    [
        "..",
        ".",
        "%2e%2e",
        "%2E",
        "..%2F..%2Fetc",
        "a%2F..",
        "a%2F.%2Fb",
        "../x",
        "x/..",
        "./x",
        "x/../../y",
        "x/%2e./y",
    ],
)
@pytest.mark.parametrize("path", ["/{it}", "/{it}/x", "/x/{it}", "/{it:path}"])
@pytest.mark.parametrize("with_raw", [True, False])
async def test_a_path_with_dot_segments_has_no_route(sent: str, path: str, with_raw: bool) -> None:
    # nginx looks for `location /at` in the normalized path, and sends on what came: its rule would be passed by
    raw: dict[str, Any] = {} if with_raw else {"raw_path": None}
    for target in (f"/at/{sent}", f"/at/{sent}/x", f"/at/x/{sent}"):
        assert (await ask(app_with(path, str), target, **raw)).status == 404


async def test_without_the_path_as_sent_the_decoded_one_is_taken() -> None:
    answer = await ask(app_with("/{it}", str), "/at/caf%C3%A9", raw_path=None)
    assert answer.json()["value"] == "café"


@pytest.mark.parametrize("sent", ["%", "%2", "%zz", "100%", "%FF", "%C3%28", "%ED%A0%80"])
async def test_broken_percent_encoding_is_a_bad_request_that_says_where(sent: str) -> None:
    for target in (f"/at/{sent}", f"/nowhere/{sent}"):
        answer = await ask(app_with("/{it}", str), target)
        assert answer.status == 400
        assert answer.errors == {"/path": "encoding"}


async def test_literal_segments_match_in_any_encoding() -> None:
    @Controller("/köln")
    class Cathedral:
        @Get("/a b")
        async def show(self) -> str:
            return "here"

    with pytest.raises(KickError, match="which no request can have"):
        app_of(Cathedral)

    @Controller("/köln")
    class Town:
        @Get("/~dom")
        async def show(self) -> str:
            return "here"

    for target in ("/k%C3%B6ln/~dom", "/k%c3%b6ln/%7Edom"):
        assert (await ask(app_of(Town), target)).json() == "here"


async def test_slashes_count() -> None:
    find = router_of("/notes", "/notes/{n:int}", "/a//b")
    assert await find("/notes") == "/notes"
    assert await find("/notes/") == 404
    assert await find("//notes") == 404
    assert await find("/notes//1") == 404
    assert await find("/notes/1/") == 404
    assert await find("/a//b") == "/a//b"
    assert await find("/a/b") == 404


async def test_the_root_is_a_path_too() -> None:
    find = router_of("/")
    assert await find("/") == "/"
    assert await find("//") == 404


async def test_a_path_that_is_none_finds_nothing() -> None:
    @Controller()
    class Root:
        @Get("/")
        async def root(self) -> str:
            return "root"

        @Get("/{name}")
        async def named(self, name: str) -> str:
            return name

    assert (await ask(app_of(Root), "*")).status == 404
    assert (await ask(app_of(Root), "*", method="OPTIONS")).status == 204


async def test_prefixes_of_application_module_and_controller_are_joined() -> None:
    @Controller("notes/")
    class Notes:
        @Get("{note_id}/")
        async def show(self, note_id: int) -> int:
            return note_id

        @Get()
        async def index(self) -> str:
            return "all"

    app = bootstrap([Module("notes", controllers=[Notes], prefix="/v1/")], prefix="api")
    assert [route.path for route in app.routes] == ["/api/v1/notes/{note_id}", "/api/v1/notes"]
    assert (await ask(app, "/api/v1/notes/7")).json() == 7
    assert (await ask(app, "/api/v1/notes")).json() == "all"


async def test_a_prefix_may_hold_parameters() -> None:
    @Controller("/shops/{shop}/items")
    class Items:
        @Get("/{item}")
        async def show(self, item: int, shop: str) -> dict[str, Any]:
            return {"shop": shop, "item": item}

    assert (await ask(app_of(Items), "/shops/corner/items/3")).json() == {"shop": "corner", "item": 3}


async def test_an_application_below_a_root_path_finds_its_routes() -> None:
    app = app_with("/{it}", str)
    for target in ("/api/at/x", "/api/at/a%2Fb"):
        answer = await ask(app, target, root_path="/api")
        assert answer.status == 200, target
    assert (await ask(app, "/api", root_path="/api")).status == 404
    assert (await ask(app, "/at/x", root_path="/api")).status == 200  # a proxy that took the prefix away
    assert (await ask(app, "/apiary/at/x", root_path="/api")).status == 404


async def test_other_methods_are_405_and_told_the_right_ones() -> None:
    @Controller("/notes")
    class Notes:
        @Get("/{note_id}")
        async def show(self, note_id: int) -> int:
            return note_id

        @Delete("/{note_id}")
        async def remove(self, note_id: int) -> None: ...

        @Put("/latest")
        async def put(self) -> None: ...

        @Post("/{name}")
        async def post(self, name: str) -> None: ...

    app = app_of(Notes)
    answer = await ask(app, "/notes/7", method="PATCH")
    assert answer.status == 405
    assert answer.header("allow") == "DELETE, GET, HEAD, OPTIONS, POST"
    assert answer.json()["title"] == "Method Not Allowed"
    assert (await ask(app, "/notes/latest", method="GET")).header("allow") == "OPTIONS, POST, PUT"
    assert (await ask(app, "/notes/latest", method="POST")).status == 204
    assert (await ask(app, "/notes/7", method="get")).status == 405
    assert (await ask(app, "/nowhere", method="PATCH")).status == 404


async def test_options_is_answered_where_something_is() -> None:
    @Controller("/notes")
    class Notes:
        @Get()
        async def index(self) -> str:
            return "all"

        @Options("/own")
        async def own(self, ctx: RequestContext) -> None:
            ctx.set_header("allow", "BREW")

        @Get("/own")
        async def get_own(self) -> None: ...

    app = app_of(Notes)
    answer = await ask(app, "/notes", method="OPTIONS")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("allow") == "GET, HEAD, OPTIONS"
    assert (await ask(app, "/notes/own", method="OPTIONS")).header("allow") == "BREW"
    assert (await ask(app, "/nowhere", method="OPTIONS")).status == 404


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    @Controller()
    class Pages:
        @Get("/plain")
        async def plain(self, ctx: RequestContext) -> Any:
            ctx.set_header("x-method", ctx.method)
            ctx.set_cookie("seen", "1")
            return {"a": 1}

        @Get("/stream")
        async def stream(self, ctx: RequestContext) -> Any:
            return ctx.stream(iter([b"a", b"b"]), media_type="text/csv")

        @Get("/{number}")
        async def number(self, number: int) -> Any:
            return number

        @Head("/own")
        async def own_head(self, ctx: RequestContext) -> Any:
            return ctx.text("the body of an explicit HEAD", 202)

        @Get("/own")
        async def own_get(self) -> Any:
            return "got"

    app = app_of(Pages)
    for target in ("/plain", "/stream", "/7"):
        got, head = await ask(app, target), await ask(app, target, method="HEAD")
        assert head.body == b""
        assert got.body != b""
        assert head.status == got.status
        assert [each for each in head.headers if each[0] != "x-method"] == [
            each for each in got.headers if each[0] != "x-method"
        ]
    own = await ask(app, "/own", method="HEAD")
    assert (own.status, own.body) == (202, b"")
    assert (await ask(app, "/own")).json() == "got"


async def test_head_of_an_error_has_no_body() -> None:
    app = app_with("/{it}", int)
    for target in ("/nowhere", "/at/x", "/at/%FF"):
        head, got = await ask(app, target, method="HEAD"), await ask(app, target)
        assert head.body == b""
        assert head.status == got.status
        assert head.header("content-length") == got.header("content-length")


async def test_inherited_handlers_keep_their_routes() -> None:
    class Base:
        kind = "base"

        @Get()
        async def index(self) -> str:
            return self.kind

        @Get("/old")
        async def moved(self) -> str:
            return "base"

        @Get("/gone")
        async def gone(self) -> str:
            return "base"

    @Controller("/a")
    class A(Base):
        kind = "a"

    @Controller("/b")
    class B(Base):
        kind = "b"
        gone = None  # type: ignore[assignment]

        async def index(self) -> str:
            return f"overridden {self.kind}"

        @Get("/new")
        async def moved(self) -> str:
            return "moved"

    app = app_of(A, B)
    assert (await ask(app, "/a")).json() == "a"
    assert (await ask(app, "/b")).json() == "overridden b"
    assert (await ask(app, "/b/new")).json() == "moved"
    assert (await ask(app, "/b/old")).status == 404
    assert (await ask(app, "/a/gone")).json() == "base"
    assert (await ask(app, "/b/gone")).status == 404


async def test_one_handler_may_have_several_routes() -> None:
    @Controller("/notes")
    class Notes:
        @Get()
        @Get("/{note_id}")
        @Post("/{note_id}", status=201)
        async def show(self, note_id: int | None = None) -> Any:
            return note_id if note_id is not None else "none"

    app = app_of(Notes)
    assert (await ask(app, "/notes")).json() == "none"
    assert (await ask(app, "/notes/3")).json() == 3
    assert (await ask(app, "/notes/3", method="POST")).status == 201


async def test_names_of_parameters_do_not_matter_for_the_shape() -> None:
    @Controller()
    class One:
        @Get("/{first}/a")
        async def a(self, first: int) -> int:
            return first

        @Get("/{second}/b")
        async def b(self, second: int) -> int:
            return -second

    assert (await ask(app_of(One), "/3/a")).json() == 3
    assert (await ask(app_of(One), "/3/b")).json() == -3

    @Controller()
    class Two:
        @Get("/{first}")
        async def one(self, first: int) -> None: ...

        @Get("/{second}")
        async def two(self, second: int) -> None: ...

    with pytest.raises(KickError, match=r"GET /\{second\} has two handlers: .*Two.one\(\).*Two.two\(\)"):
        app_of(Two)


def test_all_bad_paths_are_reported_at_once() -> None:
    @Controller()
    class Bad:
        @Get("/{a}/{a}")
        async def twice(self, a: str) -> None: ...

        @Get("/{rest:path}/more")
        async def goes_on(self, rest: str) -> None: ...

        @Get("/{a:integer}")
        async def kind(self, a: int) -> None: ...

        @Get("/x{a}")
        async def mixed(self, ctx: RequestContext) -> None: ...

        @Get("/{a:int}")
        async def contradiction(self, a: uuid.UUID) -> None: ...

        @Get("/a?b")
        async def query(self) -> None: ...

        @Get("/../x")
        async def dots(self) -> None: ...

        @Get("/t/{a}")
        async def no_such_type(self, a: bytes) -> None: ...

    with pytest.raises(SetupErrors) as caught:
        app_of(Bad)
    assert {problem.code for problem in caught.value.problems} == {"route-path"}
    assert len(caught.value.problems) == 8


async def test_nothing_is_remembered_of_what_clients_send() -> None:
    app = app_with("/{it}", str)
    await ask(app, "/at/first")
    before = {path: [*methods] for path, methods in app._static.items()}
    for number in range(50):
        await ask(app, f"/at/{number}")
        await ask(app, f"/nowhere/{number}")
    assert {path: [*methods] for path, methods in app._static.items()} == before

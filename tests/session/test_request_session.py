"""`request.session` is a `dict`, wherever code that was written for Starlette's sessions finds it."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import msgspec
import pytest
from litestar import Litestar, WebSocket, websocket
from litestar import Request as LitestarRequest
from litestar import get as litestar_get
from litestar import post as litestar_post
from litestar.middleware import DefineMiddleware
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from kick import Controller, Module, RequestContext, bootstrap
from kick.http import Get
from kick.session import RequestSession, Session, SessionClosed, SessionMiddleware, session
from kick.session.stores.base import Record
from tests.session.conftest import make_store
from tests.session.harness import SECRET, calls_to
from tests.session.test_order import BrokenStore

Action = Callable[[Any], Any]
OPTIONS: dict[str, Any] = {"secret": SECRET, "save_uninitialized": False, "cookie": {"secure": False}}
ACTIONS: dict[str, Action] = {}
"""Functions of a session, by the name that the path has."""


class Watched:
    """A store that counts what is written, and can damage what is read."""

    damages: str | None = None
    """The key whose value is no longer readable."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self._calls = calls_to(store, ["create", "commit"])
        load = store.load

        async def damaging(key: str) -> Any:
            found = await load(key)
            if self.damages is None or not isinstance(found, Record):
                return found
            return replace(found, fields={**found.fields, self.damages: b"\xff"})

        store.load = damaging

    @property
    def writes(self) -> int:
        return len(self._calls)


class AnyJSONResponse(JSONResponse):
    """Writes what JSON lacks as text."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, default=repr).encode()


async def show(request: Request) -> Response:
    """Do one of the actions, and show the session after it, as tests of Starlette do."""
    done = ACTIONS[request.path_params["name"]](request.session)
    if hasattr(done, "__await__"):
        done = await done
    return AnyJSONResponse({"session": request.session, "done": done})


def under_session_middleware(**options: Any) -> Any:
    return SessionMiddleware(Starlette(routes=[Route("/app/{name}", show)]), **{**OPTIONS, **options})


def in_a_kick_handler(**options: Any) -> Any:
    @Controller("/app")
    class Actions:
        @Get("/{name}")
        async def act(self, ctx: RequestContext, name: str) -> Response:
            ctx.request.scope["path_params"] = {"name": name}
            return await show(ctx.request)

    return bootstrap([Module("app", controllers=[Actions])], [session(**{**OPTIONS, **options})])


def in_a_mount(**options: Any) -> Any:
    app = Starlette(routes=[Route("/{name}", show)])
    return bootstrap([Module("app", mounts={"/app": app}, session=True)], [session(**{**OPTIONS, **options})])


EVERYWHERE = pytest.mark.parametrize("site", [under_session_middleware, in_a_kick_handler, in_a_mount])


@pytest.fixture(params=["memory", "basic", "sqlite", "postgres", "redis"])
def watched(request: pytest.FixtureRequest) -> Watched:
    """An empty store of each kind, and what happens to it."""
    return Watched(make_store(request.param, request))  # the application that uses it closes it


class Visitor:
    """A browser that does one thing after the other."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def __call__(self, what: Action) -> Any:
        ACTIONS[what.__name__] = what
        self.response = self.client.get(f"/app/{what.__name__}")
        assert self.response.status_code == 200, self.response.text
        return self.response.json()


Visiting = Callable[[Any], Visitor]


@pytest.fixture
def visiting() -> Iterator[Visiting]:
    """Makes visitors of applications, all of whose requests run in one event loop."""
    with ExitStack() as clients:
        yield lambda app: Visitor(clients.enter_context(TestClient(app, raise_server_exceptions=False)))


def look(data: Any) -> Any:
    return dict(data)


def fill(data: Any) -> None:
    data["a"] = 1
    data["cart"] = {"items": [1]}
    data.update(z=26)


def nothing(_: Any) -> None:
    """Look at nothing but the session itself."""


FILLED = {"a": 1, "cart": {"items": [1]}, "z": 26}


@EVERYWHERE
class TestWhatADictDoes:
    def test_it_is_written_as_json_whether_empty_or_filled(
        self, site: Any, watched: Watched, visiting: Visiting
    ) -> None:
        visit = visiting(site(store=watched.store))
        assert visit(nothing) == {"session": {}, "done": None}
        assert "set-cookie" not in visit.response.headers
        assert visit(fill)["session"] == FILLED
        assert visit(nothing) == {"session": FILLED, "done": None}
        assert visit.response.headers["vary"] == "Cookie"

    def test_it_is_read_by_c_code_as_well(self, site: Any, watched: Watched, visiting: Visiting) -> None:
        def encode(data: Any) -> Any:
            return [isinstance(data, dict), isinstance(data, Session), msgspec.json.encode(data).decode()]

        visit = visiting(site(store=watched.store))
        assert visit(encode)["done"] == [True, True, "{}"]
        visit(fill)
        assert visit(encode)["done"] == [True, True, json.dumps(FILLED, separators=(",", ":"))]

    def test_operators_and_copies(self, site: Any, watched: Watched, visiting: Visiting) -> None:
        def operate(data: Any) -> Any:
            duplicates = [data.copy(), copy.copy(data), copy.deepcopy(data), pickle.loads(pickle.dumps(data)), {**data}]  # noqa: S301  # what the test itself has pickled
            duplicates[2]["cart"]["items"].append("only here")
            assert [type(each) for each in duplicates] == [dict] * 5
            both = data | {"b": 2}, {"z": 0, "b": 2} | data
            assert (type(both[0]), type(both[1])) == (dict, dict)
            assert data == FILLED
            assert data == FILLED
            assert data != {"a": 1}
            assert data == data.copy()
            return both

        visit = visiting(site(store=watched.store))
        visit(fill)
        writes = watched.writes
        assert visit(operate)["done"] == [{**FILLED, "b": 2}, {"b": 2, **FILLED}]
        assert visit(nothing)["session"] == FILLED
        assert watched.writes == writes

    def test_it_is_updated_in_place(self, site: Any, watched: Watched, visiting: Visiting) -> None:
        def update_in_place(data: Any) -> None:
            data |= {"a": 2, "b": [3]}
            data.setdefault("c", {})["deep"] = True
            data["b"].append(4)

        visit = visiting(site(store=watched.store))
        visit(fill)
        expected = {**FILLED, "a": 2, "b": [3, 4], "c": {"deep": True}}
        assert visit(update_in_place)["session"] == expected
        assert visit(look)["done"] == expected

    def test_items_are_popped_last_first(self, site: Any, watched: Watched, visiting: Visiting) -> None:
        def pop_items(data: Any) -> Any:
            del data["a"]
            data["a"] = "again"
            popped = [data.popitem(), data.popitem()]
            return [popped, data.pop("cart"), data.pop("cart", "gone"), list(reversed(data))]

        def pop_of_nothing(data: Any) -> Any:
            with pytest.raises(KeyError):
                data.popitem()
            with pytest.raises(KeyError):
                data.pop("a")

        visit = visiting(site(store=watched.store))
        visit(fill)
        assert visit(pop_items)["done"] == [[["a", "again"], ["z", 26]], {"items": [1]}, "gone", []]
        assert visit(nothing)["session"] == {}
        assert visit(pop_of_nothing)["session"] == {}

    def test_clear_removes_all_of_it(self, site: Any, watched: Watched, visiting: Visiting) -> None:
        visit = visiting(site(store=watched.store))
        visit(fill)
        assert visit(lambda data: data.clear())["session"] == {}
        assert visit(nothing)["session"] == {}


@EVERYWHERE
class TestWhatASessionDoes:
    @pytest.mark.parametrize("way", ["subscript", "get", "values", "items", "pop and set", "a mapping pattern"])
    def test_nested_changes_are_found(self, site: Any, watched: Watched, way: str, visiting: Visiting) -> None:
        def change(data: Any) -> None:
            match way:
                case "subscript":
                    cart = data["cart"]
                case "get":
                    cart = data.get("cart")
                case "values":
                    cart = next(each for each in data.values() if isinstance(each, dict))
                case "items":
                    cart = dict(data.items())["cart"]
                case "pop and set":
                    data["cart"] = cart = data.pop("cart")
                case _:
                    match data:
                        case {"cart": found}:
                            cart = found
                        case _:
                            raise AssertionError("the session is no mapping")
            cart["items"].append(2)

        visit = visiting(site(store=watched.store))
        visit(fill)
        assert visit(change)["session"]["cart"] == {"items": [1, 2]}
        assert visit(nothing)["session"]["cart"] == {"items": [1, 2]}

    def test_nothing_changed_nothing_written(self, site: Any, watched: Watched, visiting: Visiting) -> None:
        def same_again(data: Any) -> None:
            data["cart"] = {"items": [1]}
            data |= FILLED
            list(data.values())

        visit = visiting(site(store=watched.store))
        visit(fill)
        writes = watched.writes
        for each in (look, nothing, same_again):
            visit(each)
            assert "set-cookie" not in visit.response.headers
        assert watched.writes == writes

    def test_the_verbs_are_there_and_the_dict_follows_them(
        self, site: Any, watched: Watched, visiting: Visiting
    ) -> None:
        async def use_the_verbs(data: Any) -> Any:
            was = data.id
            await data.increment("n", 3)
            seen: list[Any] = [json.dumps(data)]
            await data.regenerate(keep=["cart"])
            seen += [data.id != was, msgspec.json.encode(data).decode()]
            data.data["b"] = 2
            seen.append(msgspec.json.encode(data).decode())
            data.data = {"whole": True}
            seen.append(json.dumps(data))
            data.principal = 7
            seen += [data.principal, await data.save(), data.is_new]
            return seen

        async def destroy(data: Any) -> Any:
            data.flash["status"] = "bye"
            await data.destroy()
            return [json.dumps(data), msgspec.json.encode(data).decode()]

        visit = visiting(site(store=watched.store))
        visit(fill)
        seen = visit(use_the_verbs)["done"]
        assert json.loads(seen[0]) == {**FILLED, "n": 3}
        assert seen[1:] == [
            True,
            '{"cart":{"items":[1]}}',
            '{"cart":{"items":[1]},"b":2}',
            '{"whole": true}',
            "7",
            True,
            False,
        ]
        assert visit(destroy)["done"] == ["{}", "{}"]
        assert "Max-Age=0" in visit.response.headers["set-cookie"]
        assert visit(nothing)["session"] == {}

    def test_values_keep_their_types_and_damaged_ones_are_missing(
        self, site: Any, watched: Watched, visiting: Visiting
    ) -> None:
        values = {"at": datetime(2026, 1, 2, tzinfo=UTC), "price": Decimal("1.50"), "raw": b"\x00", "n": [{"$": 1}]}

        def write(data: Any) -> None:
            data |= {**values, "last": 2}

        def read_by_c(data: Any) -> Any:
            return [repr(list(dict.items(data))), list(data)]

        visit = visiting(site(store=watched.store))
        visit(write)
        expected = {**values, "last": 2}
        assert visit(read_by_c)["done"] == [repr(list(expected.items())), list(expected)]
        watched.damages = "price"
        del expected["price"]
        assert visit(read_by_c)["done"] == [repr(list(expected.items())), list(expected)]
        assert list(visit(nothing)["session"]) == list(expected)

    def test_a_misspelt_verb_is_an_error(self, site: Any, watched: Watched, visiting: Visiting) -> None:
        def misspell(data: Any) -> str:
            with pytest.raises(AttributeError):
                data.user_id = 7
            return type(data).__name__

        assert visiting(site(store=watched.store))(misspell)["done"] == "RequestSession"

    def test_writes_after_the_response_raise(self, site: Any, watched: Watched, visiting: Visiting) -> None:
        kept: list[Any] = []
        visit = visiting(site(store=watched.store))
        visit(fill)
        visit(kept.append)
        (data,) = kept
        tries: list[Callable[[], Any]] = [
            lambda: data.update(a=3),
            lambda: data.__setitem__("late", 1),
            lambda: data.__ior__({"late": 1}),
            lambda: data.pop("a"),
            lambda: data.popitem(),
            data.clear,
            lambda: data.setdefault("late", 1),
            lambda: data["cart"]["items"].append(2),
            lambda: data["cart"].update(late=1),
        ]
        for late in tries:
            with pytest.raises(SessionClosed):
                late()
        assert data == FILLED
        assert visit(nothing)["session"] == FILLED

    def test_a_store_that_is_down_is_a_503(self, site: Any, visiting: Visiting) -> None:
        broken: Any = BrokenStore()
        visit = visiting(site(store=broken))
        visit(fill)
        broken.broken = frozenset({"load", "create", "commit"})
        for each in (nothing, look, fill):
            ACTIONS[each.__name__] = each
            assert visit.client.get(f"/app/{each.__name__}").status_code == 503


class UserSession(msgspec.Struct):
    user_id: int | None = None
    cart: list[str] = []


@EVERYWHERE
class TestTypedData:
    def test_other_libraries_keys_stand_beside_the_fields(
        self, site: Any, watched: Watched, visiting: Visiting
    ) -> None:
        def write(data: Any) -> None:
            data["_state_google"] = {"data": {"nonce": "n"}}
            data["user_id"] = 7
            data.data.cart.append("tea")

        def pop(data: Any) -> Any:
            data["_state_google"]["data"]["seen"] = True
            return [data.data.user_id, data.pop("user_id"), data.data.user_id, list(data)]

        visit = visiting(site(store=watched.store, data=UserSession))
        assert visit(look)["done"] == {"user_id": None, "cart": []}
        assert "set-cookie" not in visit.response.headers
        both = {"user_id": 7, "cart": ["tea"], "_state_google": {"data": {"nonce": "n"}}}
        assert visit(write)["session"] == both
        writes = watched.writes
        assert [visit(look)["done"], visit(nothing)["session"], watched.writes] == [both, both, writes]
        assert visit(pop)["done"] == [7, 7, None, ["user_id", "cart", "_state_google"]]
        assert visit(look)["done"] == {
            "user_id": None,
            "cart": ["tea"],
            "_state_google": {"data": {"nonce": "n", "seen": True}},
        }

    def test_what_does_not_fit_a_field_is_refused(self, site: Any, watched: Watched, visiting: Visiting) -> None:
        def misfit(data: Any) -> Any:
            with pytest.raises(TypeError, match="user_id"):
                data["user_id"] = "seven"
            with pytest.raises(TypeError, match="_state_x"):
                data["_state_x"] = object()
            data["cart"] = ("tea",)
            with pytest.raises(KeyError):
                del data["missing"]
            data["_a"], data["_b"] = 1, 2
            return [data.popitem(), data == {"user_id": None, "cart": ["tea"], "_a": 1}]

        def clear(data: Any) -> Any:
            data.clear()
            with pytest.raises(KeyError):
                data.popitem()

        visit = visiting(site(store=watched.store, data=UserSession))
        assert visit(misfit)["done"] == [["_b", 2], True]
        assert visit(nothing)["session"] == {"user_id": None, "cart": ["tea"], "_a": 1}
        assert visit(clear)["session"] == {"user_id": None, "cart": []}
        assert visit(look)["done"] == {"user_id": None, "cart": []}

    def test_keys_beside_the_fields_have_the_verbs_too(self, site: Any, watched: Watched, visiting: Visiting) -> None:
        async def use_the_verbs(data: Any) -> Any:
            counted = [await data.increment("_n"), await data.increment("_n"), data["_n"]]
            counted.append(await data.modify("_list", lambda held: [*held, 1], []))
            data["_other"] = True
            await data.regenerate(keep=["_n", "cart"])
            return [counted, dict(data)]

        visit = visiting(site(store=watched.store, data=UserSession))
        expected: dict[str, Any] = {"user_id": None, "cart": [], "_n": 2}
        assert visit(use_the_verbs)["done"] == [[1, 2, 2, [1]], expected]
        assert visit(look)["done"] == expected


class TestInKickItself:
    def test_ctx_session_and_request_session_are_one(self) -> None:
        @Controller("/")
        class Both:
            @Get()
            async def both(self, ctx: RequestContext) -> Any:
                as_dict = ctx.request.session
                assert type(as_dict) is RequestSession
                assert as_dict is ctx.request.session
                ctx.session["by_kick"] = [1]
                as_dict["by_starlette"] = [2]
                ctx.session["by_starlette"].append(3)
                as_dict["by_kick"].append(4)
                ctx.session |= {"c": 5}
                ctx.session.data |= {"d": 6}
                ctx.request.session |= {"e": 7}  # pyright: ignore[reportAttributeAccessIssue]
                assert ctx.session == as_dict == ctx.session.data
                assert ctx.session | {"x": 1} == {**as_dict, "x": 1}
                with pytest.raises(AttributeError):
                    ctx.session = {}
                return ctx.session

            @Get("/session")
            async def show(self, ctx: RequestContext) -> Any:
                return {"session": ctx.session, "data": ctx.session.data, "same": ctx.request.session}

        app = bootstrap([Module("both", controllers=[Both])], [session(**OPTIONS)])
        expected = {"by_kick": [1, 4], "by_starlette": [2, 3], "c": 5, "d": 6, "e": 7}
        with TestClient(app) as client:
            assert client.get("/").json() == expected
            assert client.get("/session").json() == {"session": expected, "data": expected, "same": expected}

    def test_a_request_without_looking_makes_no_dict(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[int] = []
        original = RequestSession.__init__

        def counted(self: RequestSession, *arguments: Any) -> None:
            made.append(1)
            original(self, *arguments)

        monkeypatch.setattr(RequestSession, "__init__", counted)

        @Controller("/")
        class Plain:
            @Get()
            async def plain(self, ctx: RequestContext) -> Any:
                ctx.session["n"] = 1
                return str(ctx.request.url)

            @Get("/looks")
            async def looks(self, ctx: RequestContext) -> Any:
                return ctx.request.session

        with TestClient(bootstrap([Module("plain", controllers=[Plain])], [session(**OPTIONS)])) as client:
            client.get("/")
            assert made == []
            assert client.get("/looks").json() == {"n": 1}
            assert made == [1]

    @pytest.mark.parametrize("looks", [False, True])
    def test_a_mount_without_a_session_has_none(self, looks: bool) -> None:
        async def looking(ctx: RequestContext, call_next: Any) -> Any:
            if looks:
                ctx.session["seen"] = True
            return await call_next(ctx)

        async def has_one(scope: Any, receive: Any, send: Any) -> None:
            await JSONResponse("session" in scope)(scope, receive, send)

        modules = [Module("no", mounts={"/no": has_one}), Module("yes", mounts={"/yes": has_one}, session=True)]
        with TestClient(bootstrap(modules, [session(**OPTIONS), looking])) as client:
            assert (client.get("/no/").json(), client.get("/yes/").json()) == (False, True)

    def test_what_a_mount_writes_before_it_fails_is_not_saved(self, watched: Watched, visiting: Visiting) -> None:
        async def crash(request: Request) -> Response:
            request.session["a"] = 2
            raise RuntimeError("a mistake")

        mounted = Starlette(routes=[Route("/crash", crash), Route("/{name}", show)])
        app = bootstrap(
            [Module("app", mounts={"/app": mounted}, session=True)], [session(store=watched.store, **OPTIONS)]
        )
        visit = visiting(app)
        visit(fill)
        assert visit.client.get("/app/crash").status_code == 500
        assert visit(nothing)["session"] == FILLED


@litestar_post("/set", status_code=200)
async def set_whole(request: LitestarRequest[Any, Any, Any]) -> None:
    request.set_session(await request.json())


@litestar_post("/clear", status_code=204)
async def clear_whole(request: LitestarRequest[Any, Any, Any]) -> None:
    request.clear_session()


@litestar_post("/clear-and-fail", status_code=500)
async def clear_and_fail(request: LitestarRequest[Any, Any, Any]) -> None:
    request.clear_session()


@litestar_get("/me")
async def litestar_me(request: LitestarRequest[Any, Any, Any]) -> Any:
    return {"session": request.session, "same": dict(request.session)}


@websocket("/socket")
async def litestar_socket(socket: WebSocket[Any, Any, Any]) -> None:
    """Do what the query says, before and after the acceptance."""
    for moment in ("before", "after"):
        match socket.query_params.get(moment):
            case "set":
                socket.set_session({"user": 9, "when": moment})
            case "clear":
                socket.clear_session()
            case "wrong":
                socket.set_session(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        if moment == "before":
            await socket.accept()
    if socket.query_params.get("sends"):
        await socket.send_text("done")
    await socket.close()


class TestLitestarSockets:
    @pytest.fixture
    def client(self, watched: Watched) -> Iterator[TestClient]:
        layer = DefineMiddleware(cast(Any, SessionMiddleware), store=watched.store, **OPTIONS)
        app: Any = Litestar([set_whole, litestar_socket, litestar_me], middleware=[layer])
        with TestClient(app) as client:
            client.post("/set", json={"user": 7})
            yield client
            assert client.portal is not None
            client.portal.call(watched.store.aclose)

    def visit(self, client: TestClient, **query: str) -> tuple[dict[str, str], int]:
        """Return the headers of the acceptance and the code of the closing."""
        with client.websocket_connect("/socket", params=query) as socket:
            headers = {name.decode(): value.decode() for name, value in socket.extra_headers or ()}
            while (message := socket.receive())["type"] != "websocket.close":
                pass
        return headers, message["code"]

    @pytest.mark.parametrize("sends", ["", "yes"])
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_set_session_is_the_data(self, client: TestClient, moment: str, sends: str) -> None:
        self.visit(client, **{moment: "set"}, sends=sends)
        assert client.get("/me").json()["session"] == {"user": 9, "when": moment}

    @pytest.mark.parametrize("sends", ["", "yes"])
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_clear_session_is_a_logout(self, client: TestClient, moment: str, sends: str) -> None:
        cookie = {"cookie": f"kick.sid={client.cookies['kick.sid']}"}
        headers, _ = self.visit(client, **{moment: "clear"}, sends=sends)
        assert ("Max-Age=0" in headers.get("set-cookie", "")) is (moment == "before")
        client.cookies.clear()
        assert client.get("/me", headers=cookie).json()["session"] == {}

    def test_a_session_that_begins_there_is_stored_and_its_cookie_sent(self, client: TestClient) -> None:
        client.cookies.clear()
        headers, code = self.visit(client, before="set")
        assert code == 1000
        cookie = headers["set-cookie"].partition(";")[0]
        assert client.get("/me", headers={"cookie": cookie}).json()["session"] == {"user": 9, "when": "before"}

    def test_after_the_acceptance_no_session_begins(self, client: TestClient) -> None:
        client.cookies.clear()
        assert self.visit(client, after="set")[1] != 1000
        assert self.visit(client, after="clear")[1] == 1000

    def test_what_holds_no_data_is_an_error_and_changes_nothing(self, client: TestClient) -> None:
        with pytest.raises(WebSocketDisconnect):
            self.visit(client, before="wrong")
        assert self.visit(client, after="wrong")[1] != 1000
        assert client.get("/me").json()["session"] == {"user": 7}


class TestLitestar:
    @pytest.fixture
    def client(self, watched: Watched) -> Iterator[TestClient]:
        middleware: Any = SessionMiddleware
        layer = DefineMiddleware(middleware, store=watched.store, **OPTIONS)
        app: Any = Litestar([set_whole, clear_whole, clear_and_fail, litestar_me], middleware=[layer])
        with TestClient(app) as client:
            yield client
            assert client.portal is not None
            client.portal.call(watched.store.aclose)  # Litestar tells its middleware nothing of the end

    def test_set_session_replaces_what_is_there(self, client: TestClient, watched: Watched) -> None:
        client.post("/set", json={"user": 7, "role": "admin"})
        assert client.get("/me").json()["session"] == {"user": 7, "role": "admin"}
        client.post("/set", json={"user": 8})
        assert client.get("/me").json() == {"session": {"user": 8}, "same": {"user": 8}}
        writes = watched.writes
        client.post("/set", json={"user": 8})
        assert watched.writes == writes

    def test_clear_session_ends_the_session_for_every_request(self, client: TestClient) -> None:
        client.post("/set", json={"user": 7})
        cookie = {"cookie": f"kick.sid={client.cookies['kick.sid']}"}
        answer = client.post("/clear")
        assert (answer.status_code, "Max-Age=0" in answer.headers["set-cookie"]) == (204, True)
        assert client.get("/me").json()["session"] == {}
        assert client.get("/me", headers=cookie).json()["session"] == {}

    def test_an_error_keeps_it(self, client: TestClient) -> None:
        client.post("/set", json={"user": 7})
        client.post("/clear-and-fail")
        assert client.get("/me").json()["session"] == {"user": 7}


class Model(msgspec.Struct):
    user_id: int = 5


class TestReplacedInTheScope:
    @pytest.mark.parametrize(
        ("value", "data", "after"),
        [
            ({"b": 2}, None, {"b": 2}),
            ({}, None, {}),
            (Model(), None, {"user_id": 5}),
            (None, None, {}),
            ({"user_id": 9, "x": 1}, UserSession, {"user_id": 9, "cart": [], "x": 1}),
            (UserSession(user_id=3), UserSession, {"user_id": 3, "cart": []}),
        ],
        ids=str,
    )
    def test_the_data_are_those_that_were_put_there(
        self, watched: Watched, value: Any, data: Any, after: Any, visiting: Visiting
    ) -> None:
        async def put(request: Request) -> Response:
            request.scope["session"] = value
            return Response()

        app = Starlette(routes=[Route("/replace", put), Route("/app/{name}", show)])
        visit = visiting(SessionMiddleware(app, store=watched.store, **OPTIONS, data=data))
        visit(lambda data: data.update(z=1))
        assert visit.client.get("/replace").status_code == 200
        assert visit(look)["done"] == after

    def test_what_holds_no_data_is_an_error_and_changes_nothing(self, watched: Watched, visiting: Visiting) -> None:
        async def put(request: Request) -> Response:
            request.scope["session"] = 7
            return Response()

        app = Starlette(routes=[Route("/replace", put), Route("/app/{name}", show)])
        visit = visiting(SessionMiddleware(app, store=watched.store, **OPTIONS))
        visit(fill)
        assert visit.client.get("/replace").status_code == 500
        assert visit(nothing)["session"] == FILLED

    def test_removed_from_the_scope_it_is_destroyed(self, watched: Watched, visiting: Visiting) -> None:
        async def remove(request: Request) -> Response:
            del request.scope["session"]
            return Response()

        app = Starlette(routes=[Route("/remove", remove), Route("/app/{name}", show)])
        visit = visiting(SessionMiddleware(app, store=watched.store, **OPTIONS))
        visit(fill)
        assert "Max-Age=0" in visit.client.get("/remove").headers["set-cookie"]
        assert visit(nothing)["session"] == {}

"""Where sessions are: on requests that no handler answers, on passive routes, and with a second `session()`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kick import App, Controller, Get, Middleware, Module, Post, RequestContext, Response, bootstrap
from kick.health import Health
from kick.http import StaticFiles
from kick.session import MemoryStore, Sessions, session
from tests.http.support import ask
from tests.session.harness import SECRET, calls_to
from tests.support.setup_errors import raises_code

OTHER = "another secret of the tests, more than 32 bytes"


class Looking(Middleware):
    """Reads the session of every request."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def __call__(self, ctx: RequestContext, call_next: Any) -> Response:
        self.seen.append(dict(ctx.session.data))
        return await call_next(ctx)  # type: ignore[no-any-return]


class Writing(Middleware):
    async def __call__(self, ctx: RequestContext, call_next: Any) -> Response:
        ctx.session["visits"] = ctx.session.get("visits", 0) + 1
        return await call_next(ctx)  # type: ignore[no-any-return]


@Controller("")
class Page:
    @Get("/in")
    async def enter(self, ctx: RequestContext) -> None:
        ctx.session["user"] = 7

    @Get("/who")
    async def who(self, ctx: RequestContext) -> Any:
        return ctx.session.get("user")

    @Get("/poll", session="passive")
    async def poll(self, ctx: RequestContext) -> Any:
        return ctx.session.get("user")

    @Post("/poll", session="passive")
    async def write(self, ctx: RequestContext) -> None:
        ctx.session["user"] = 8

    @Get("/mistaken", session=False)
    async def mistaken(self, ctx: RequestContext) -> Any:
        return ctx.session.get("user")

    @Get("/off", session=False)
    async def off(self) -> str:
        return "off"


async def mounted(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"mounted"})


UNHANDLED = [
    ("GET", "/nothing", 404),
    ("DELETE", "/who", 405),
    ("OPTIONS", "/who", 204),
    ("GET", "/files/a.txt", 200),
    ("GET", "/files/b.txt", 404),
    ("GET", "/mounted/x", 200),
]


def site(folder: Path, store: Any, *after: Any, **options: Any) -> App:
    (folder / "a.txt").write_text("a")
    layers = [session(SECRET, store=store, **{"save_uninitialized": False, **options}), *after]
    mounts = {"/files": StaticFiles(folder), "/mounted": mounted}
    return bootstrap([Module("page", controllers=[Page], mounts=mounts)], layers)


async def cookie_of(app: App, path: str = "/in") -> dict[str, str]:
    line = str((await ask(app, path)).header("set-cookie"))
    return {"cookie": line.partition(";")[0]}


@pytest.mark.parametrize(("method", "path", "status"), UNHANDLED)
class TestRequestsWithoutAHandler:
    async def test_middleware_sees_the_session(
        self, tmp_path: Path, store: Any, method: str, path: str, status: int
    ) -> None:
        looking = Looking()
        app = site(tmp_path, store, looking)
        cookie = await cookie_of(app)
        calls = calls_to(store)
        answer = await ask(app, path, method=method, headers=cookie)
        assert (answer.status, looking.seen[-1], calls) == (status, {"user": 7}, ["load"])

    async def test_without_a_cookie_it_is_empty_and_costs_nothing(
        self, tmp_path: Path, store: Any, method: str, path: str, status: int
    ) -> None:
        looking = Looking()
        app = site(tmp_path, store, looking)
        calls = calls_to(store)
        answer = await ask(app, path, method=method)
        assert (answer.status, looking.seen, calls) == (status, [{}], [])

    async def test_nothing_is_loaded_where_nobody_looks(
        self, tmp_path: Path, store: Any, method: str, path: str, status: int
    ) -> None:
        app = site(tmp_path, store, rolling=True, save_uninitialized=True)
        cookie = await cookie_of(app)
        calls = calls_to(store)
        answer = await ask(app, path, method=method, headers=cookie)
        assert (answer.status, answer.header("set-cookie"), calls) == (status, None, [])

    @pytest.mark.parametrize("save_uninitialized", [True, False])
    async def test_no_session_begins_whatever_middleware_writes(
        self, tmp_path: Path, store: Any, method: str, path: str, status: int, save_uninitialized: bool
    ) -> None:
        app = site(tmp_path, store, Writing(), save_uninitialized=save_uninitialized)
        calls = calls_to(store)
        answer = await ask(app, path, method=method)
        assert (answer.status, answer.header("set-cookie"), calls) == (status, None, [])

    async def test_a_living_session_takes_what_middleware_writes(
        self, tmp_path: Path, store: Any, method: str, path: str, status: int
    ) -> None:
        app = site(tmp_path, store, Writing())
        cookie = await cookie_of(app)
        calls = calls_to(store)
        assert (await ask(app, path, method=method, headers=cookie)).status == status
        assert calls == ["load", "commit"]


class TestWhereTheSessionIsSwitchedOff:
    """`session=False` promises no store call. Middleware still finds a session: an empty one."""

    def site(self, store: Any, *after: Any, **options: Any) -> App:
        layers = [session(SECRET, store=store, **{"save_uninitialized": False, **options}), *after]
        return bootstrap([Module("page", controllers=[Page]), Health()], layers)

    @pytest.mark.parametrize("path", ["/health/live", "/off"])
    async def test_middleware_that_looks_does_no_harm(self, store: Any, path: str) -> None:
        looking = Looking()
        app = self.site(store, looking)
        cookie = await cookie_of(app)
        calls = calls_to(store)
        answer = await ask(app, path, headers=cookie)
        assert (answer.status, looking.seen[-1], answer.header("set-cookie"), calls) == (200, {}, None, [])

    @pytest.mark.parametrize("path", ["/health/live", "/off"])
    @pytest.mark.parametrize("save_uninitialized", [True, False])
    async def test_no_session_begins_and_none_changes(self, store: Any, path: str, save_uninitialized: bool) -> None:
        app = self.site(store, Writing(), save_uninitialized=save_uninitialized)
        cookie = await cookie_of(app)
        calls = calls_to(store)
        for headers in ({}, cookie):
            answer = await ask(app, path, headers=headers)
            assert (answer.status, answer.header("set-cookie"), calls) == (200, None, [])

    @pytest.mark.parametrize("after", [(), (Looking(),)], ids=["alone", "below middleware that looks"])
    async def test_a_handler_that_uses_it_is_told(self, store: Any, after: Any, caplog: Any) -> None:
        app = self.site(store, *after)
        assert (await ask(app, "/mistaken")).status == 500
        assert "the route says session=False" in caplog.text


class TestPassiveRoutes:
    async def test_it_reads_and_prolongs_nothing(self, tmp_path: Path, store: Any) -> None:
        app = site(tmp_path, store, rolling=True, rotate_after=60)
        cookie = await cookie_of(app)
        layer = next(layer for layer in app.middleware if hasattr(layer, "manager"))
        operations, now = layer.manager.operations, layer.manager.operations.now
        operations.now = lambda: now() + 3000
        calls = calls_to(store)
        answer = await ask(app, "/poll", headers=cookie)
        assert (answer.json(), answer.header("set-cookie"), calls) == (7, None, ["load"])
        answer = await ask(app, "/who", headers=cookie)
        assert answer.header("set-cookie") is not None
        assert calls == ["load", "load", "move"]

    async def test_a_cookie_of_an_older_secret_is_not_signed_again(self, tmp_path: Path, store: Any) -> None:
        before = site(tmp_path, store)
        cookie = await cookie_of(before)
        layers = [session([OTHER, SECRET], store=store, save_uninitialized=False)]
        after = bootstrap([Module("page", controllers=[Page])], layers)
        answer = await ask(after, "/poll", headers=cookie)
        assert (answer.json(), answer.header("set-cookie")) == (7, None)
        assert (await ask(after, "/who", headers=cookie)).header("set-cookie") is not None

    async def test_a_write_is_a_write(self, tmp_path: Path, store: Any) -> None:
        app = site(tmp_path, store)
        cookie = await cookie_of(app)
        await ask(app, "/poll", method="POST", headers=cookie)
        assert (await ask(app, "/who", headers=cookie)).json() == 8

    async def test_an_untouched_session_is_not_stored(self, tmp_path: Path, store: Any) -> None:
        app = site(tmp_path, store, save_uninitialized=True)
        calls = calls_to(store)
        assert (await ask(app, "/poll")).header("set-cookie") is None
        assert calls == []


@Controller("/admin")
class Admin:
    @Get("/in")
    async def enter(self, ctx: RequestContext) -> None:
        ctx.session["admin"] = True

    @Get("/who")
    async def who(self, ctx: RequestContext) -> Any:
        return dict(ctx.session.data)


class TestASecondSession:
    @pytest.fixture(params=["the same store", "a store of its own"])
    def first(self, request: pytest.FixtureRequest, store: Any) -> Any:
        return store if request.param == "the same store" else MemoryStore()

    def app(self, own: Any, *, store: Any = None) -> App:
        layers = [session(SECRET, store=store, save_uninitialized=False, max_age=3600)]
        admin = Module("admin", controllers=[Admin], middleware=[own])
        return bootstrap([Module("page", controllers=[Page]), admin], layers)

    async def test_it_takes_the_place_of_the_first_on_the_routes_of_its_module(self, store: Any, first: Any) -> None:
        own = session(OTHER, store=store, cookie_name="admin.sid", max_age=900, save_uninitialized=False)
        app = self.app(own, store=first)
        answer = await ask(app, "/admin/in")
        assert answer.all("set-cookie")[0].startswith("admin.sid=")
        assert "Max-Age=900" in answer.all("set-cookie")[0]
        assert len(answer.all("set-cookie")) == 1
        both = {"cookie": f"{(await cookie_of(app))['cookie']}; {answer.all('set-cookie')[0].partition(';')[0]}"}
        assert (await ask(app, "/admin/who", headers=both)).json() == {"admin": True}
        assert (await ask(app, "/who", headers=both)).json() == 7

    async def test_it_stands_where_the_first_stood(self) -> None:
        looking = Looking()
        own = session(OTHER, cookie_name="admin.sid", save_uninitialized=False)
        admin = Module("admin", controllers=[Admin], middleware=[own])
        app = bootstrap([admin], [session(SECRET, save_uninitialized=False), looking])
        cookie = await cookie_of(app, "/admin/in")
        await ask(app, "/admin/who", headers=cookie)
        assert looking.seen[-1] == {"admin": True}

    async def test_the_same_object_twice_changes_nothing(self) -> None:
        once = session(SECRET, save_uninitialized=False)
        app = bootstrap([Module("admin", controllers=[Admin], middleware=[once])], [once])
        cookie = await cookie_of(app, "/admin/in")
        calls = calls_to(once.manager.store)
        assert (await ask(app, "/admin/who", headers=cookie)).json() == {"admin": True}
        assert calls == ["load"]

    def test_an_equal_name_stops_the_start(self) -> None:
        with raises_code("session-cookie-twice", match=r"kick\.sid"):
            self.app(session(OTHER))

    @pytest.mark.parametrize("secrets", [(SECRET, SECRET), (SECRET, [OTHER, SECRET]), ([OTHER, SECRET], SECRET)])
    @pytest.mark.parametrize("is_url", [False, True])
    def test_one_secret_and_one_store_stop_the_start(
        self, secrets: tuple[Any, Any], tmp_path: Path, *, is_url: bool
    ) -> None:
        """The name of a cookie is not signed: the cookie of a customer would be a login as the administrator."""
        store: Any = f"sqlite:///{tmp_path}/s.db" if is_url else MemoryStore()
        one, two = (
            session(secret, store=store, cookie_name=name)
            for secret, name in zip(secrets, ("one.sid", "two.sid"), strict=True)
        )
        with raises_code("session-shared", match=r"'one\.sid' and 'two\.sid'"):
            bootstrap([Module("admin", controllers=[Admin], middleware=[two])], [one])
        modules = [
            Module("page", controllers=[Page], middleware=[one]),
            Module("admin", controllers=[Admin], middleware=[two]),
        ]
        with raises_code("session-shared", match=r"'one\.sid' and 'two\.sid'"):
            bootstrap(modules)

    def test_a_secret_or_a_store_of_its_own_is_enough(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/s.db"
        for secret, store in ((OTHER, url), (SECRET, f"{url}2"), (SECRET, None), (SECRET, MemoryStore())):
            self.app(session(secret, store=store, cookie_name="admin.sid"), store=url)
        self.app(session(SECRET, store="memory://", cookie_name="admin.sid"), store="memory://")

    async def test_without_a_first_it_stands_in_its_module(self) -> None:
        own = session(OTHER, save_uninitialized=False)
        app = bootstrap([Module("admin", controllers=[Admin], middleware=[own])])
        cookie = await cookie_of(app, "/admin/in")
        assert (await ask(app, "/admin/who", headers=cookie)).json() == {"admin": True}

    async def test_the_first_provides_sessions(self) -> None:
        found: list[Any] = []

        @Controller("/list")
        class List:
            @Get("")
            async def show(self, sessions: Sessions) -> None:
                found.append(sessions)

        first = session(SECRET)
        own = session(OTHER, cookie_name="admin.sid")
        app = bootstrap([Module("admin", controllers=[Admin, List], middleware=[own])], [first])
        await ask(app, "/list")
        assert found == [first.providers[0].value]


class TestTheReasons:
    """`ctx.session` where there is none says which of four causes it has."""

    async def test_no_middleware(self) -> None:
        await self.says(bootstrap([Module("page", controllers=[Page])]), "/who", "no session() middleware runs")

    async def test_outside_of_the_path_of_the_cookie(self) -> None:
        app = bootstrap([Module("page", controllers=[Page])], [session(SECRET, cookie={"path": "/shop"})])
        await self.says(app, "/who", "outside of that of the session's cookie")

    async def test_switched_off(self) -> None:
        @Controller("")
        class Off:
            @Get("/who", session=False)
            async def who(self, ctx: RequestContext) -> Any:
                return ctx.session["x"]

        app = bootstrap([Module("off", controllers=[Off])], [session(SECRET)])
        await self.says(app, "/who", "the route says session=False")

    async def test_mounted(self) -> None:
        inner = bootstrap([Module("page", controllers=[Page])])
        app = bootstrap([Module("outer", mounts={"/inner": inner})], [session(SECRET)])
        await self.says(app, "/inner/who", "is mounted in another one")

    async def says(self, app: App, path: str, cause: str) -> None:
        import logging

        records: list[str] = []

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                records.append(str(record.exc_info and record.exc_info[1]))

        handler = Handler()
        logging.getLogger("kick.http").addHandler(handler)
        try:
            assert (await ask(app, path)).status == 500
        finally:
            logging.getLogger("kick.http").removeHandler(handler)
        assert cause in records[-1]

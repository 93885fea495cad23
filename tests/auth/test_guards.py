"""`@Authenticated` and `@Roles`: 401, 403, or a login page, before the body is read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from time import time
from typing import Any
from urllib.parse import quote

import pytest

from kick import Controller, Get, Module, Post, Use, bootstrap
from kick.auth import GuardLayer, Roles, authenticated, roles
from kick.clock import CLOCK
from kick.session import MemoryStore, session
from kick.testing import TestClient
from tests.auth.support import SECRET, make
from tests.http.support import ask
from tests.support.setup_errors import raises_code

PAGE = {"accept": "text/html,*/*;q=0.8"}


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(make(), follow_redirects=False) as client:
        yield client


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has the guards think that so many seconds have gone by."""

    def shift(seconds: float) -> None:
        monkeypatch.setattr(CLOCK, "time", lambda: time() + seconds)

    return shift


def log_in(client: TestClient, *names: str) -> None:
    assert client.post("/auth/login", json={"user_id": 7, "roles": list(names)}).status_code == 200


PROTECTED = [
    ("GET", "/things/bare"),
    ("HEAD", "/things/bare"),
    ("POST", "/things/note"),
    ("POST", "/things/fresh"),
    ("POST", "/things/any"),
    ("GET", "/things/user"),
    ("GET", "/things/identity"),
    ("POST", "/things/page"),
]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_a_stranger_gets_a_401_with_a_challenge(client: TestClient, method: str, path: str) -> None:
    client.post("/auth/cart/apple")
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Session")
    if method != "HEAD":
        assert (answer.json()["code"], answer.json()["detail"]) == ("login-required", "Log in first.")


def test_whoever_is_logged_in_passes(client: TestClient) -> None:
    log_in(client)
    assert client.get("/things/bare").json() == "in"
    assert client.post("/things/note", json={"text": "hello"}).json() == "hello"
    assert client.post("/things/fresh").json() == "fresh"


@pytest.mark.parametrize("path", ["/things/note", "/things/any", "/things/fresh"])
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_the_body_is_not_read_for_who_is_turned_away(path: str, kind: str) -> None:
    answer = await ask(make(protected=True), path, method="POST", body=b"{" * 100, headers={"content-type": kind})
    assert (answer.status, answer.read) == (401, 0)


@pytest.mark.parametrize(
    ("held", "allowed"),
    [
        ([], set()),
        (["admin"], {"any"}),
        (["editor"], {"any"}),
        (["Admin", "admin "], set()),
        (["admin", "editor"], {"any", "all", "stacked"}),
        (["admin", "editor", "author"], {"any", "all", "stacked"}),
    ],
)
def test_roles_are_any_of_or_all_of(client: TestClient, held: list[str], allowed: set[str]) -> None:
    log_in(client, *held)
    answers = {name: client.post(f"/things/{name}") for name in ("any", "all", "stacked")}
    assert {name for name, answer in answers.items() if answer.status_code == 200} == allowed
    for name in answers.keys() - allowed:
        assert answers[name].status_code == 403
        assert answers[name].json()["code"] == "role-missing"
        assert "www-authenticate" not in answers[name].headers


def test_a_login_that_is_too_old_is_asked_for_again(client: TestClient, later: Any) -> None:
    log_in(client)
    later(299)
    assert client.post("/things/fresh").status_code == 200
    later(301)
    answer = client.post("/things/fresh")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == ('Session error="insufficient_user_authentication", max_age="300"')
    problem = answer.json()
    assert (problem["code"], problem["reauthenticate"], problem["max_age"]) == ("reauthenticate", True, 300)
    assert client.get("/things/bare").status_code == 200
    log_in(client)
    assert client.post("/things/fresh").status_code == 200


def test_a_login_from_the_future_is_not_fresh(client: TestClient, later: Any) -> None:
    log_in(client)
    later(-30)
    assert client.post("/things/fresh").status_code == 200
    later(-7200)
    assert client.post("/things/fresh").status_code == 401


def test_a_change_of_roles_makes_no_login_fresh(client: TestClient, later: Any) -> None:
    log_in(client)
    later(301)
    assert client.post("/auth/roles", json={"roles": ["admin"]}).status_code == 204
    assert client.post("/things/fresh").json()["code"] == "reauthenticate"


# Login pages


def test_a_browser_that_asks_for_a_page_is_sent_to_the_login(client: TestClient, later: Any) -> None:
    answer = client.get("/things/page?tab=2&next=//evil.test", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/things/page%3Ftab%3D2%26next%3D//evil.test"
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/things/page", headers={"sec-fetch-mode": "navigate"}).status_code == 303
    log_in(client)
    assert client.get("/things/page", headers=PAGE).json() == "page"
    assert client.get("/things/admin-page", headers=PAGE).status_code == 403
    later(61)
    again = client.get("/things/fresh-page/caf%C3%A9?a=%26", headers=PAGE)
    assert again.headers["location"] == "/login?next=/things/fresh-page/caf%25C3%25A9%3Fa%3D%2526"
    encoded = client.get("/things/fresh-page/a%2Fb", headers=PAGE)
    assert encoded.headers["location"] == "/login?next=/things/fresh-page/a%252Fb"


@pytest.mark.parametrize(
    ("root_path", "root"), [("", ""), ("/api", "/api"), ("/api/", "/api"), ("/a b/\u00e9", "/a%20b/%C3%A9")]
)
def test_the_login_page_is_below_the_root_path(client: TestClient, root_path: str, root: str) -> None:
    below = TestClient(client.app, root_path=root_path, follow_redirects=False)
    answer = below.get(f"{root_path.rstrip('/')}/things/page", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{root}/login?next={quote(root)}/things/page")


@pytest.mark.parametrize(
    "headers", [{}, {"accept": "application/json"}, {**PAGE, "sec-fetch-mode": "cors"}, {"sec-fetch-mode": "no-cors"}]
)
def test_scripts_get_the_401(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/things/page", headers={"accept": "*/*", **headers}).status_code == 401


def test_a_form_that_is_sent_gets_the_401(client: TestClient) -> None:
    assert client.post("/things/page", headers=PAGE).status_code == 401


def test_from_the_login_page_one_goes_on(client: TestClient) -> None:
    sent_to = client.get("/things/page?tab=2", headers=PAGE).headers["location"]
    back = client.post(sent_to.replace("/login", "/auth/page"))
    assert back.headers["location"] == "/things/page?tab=2"
    assert client.get(back.headers["location"], headers=PAGE).status_code == 200


HOSTILE = [
    "//evil.test",
    "https://evil.test/",
    "/\\evil.test",
    "\\\\evil.test",
    "javascript:alert(1)",
    "",
    "x",
    "/\t/x",
]


@pytest.mark.parametrize("wanted", [*HOSTILE, "//testserver@evil.test", "http:evil.test", " //evil.test", "/%0d%0aa"])
def test_nobody_is_led_away_by_next(client: TestClient, wanted: str) -> None:
    answer = client.post("/auth/page", params={"next": wanted})
    assert answer.status_code == 303
    assert answer.headers["location"] in ("/home", "/%0d%0aa")


# Where they stand


@Controller("/inner")
class Inner:
    @Get()
    async def show(self) -> str:
        return "inner"

    @Post()
    async def change(self, body: dict[str, str]) -> str:
        return "changed"


def test_a_module_can_be_guarded() -> None:
    module = Module("inner", controllers=[Inner], middleware=[roles("admin")])
    with TestClient(make(module)) as client:
        assert [client.get("/inner").status_code, client.get("/nowhere").status_code] == [401, 404]
        log_in(client)
        assert client.get("/inner").status_code == 403
        log_in(client, "admin")
        assert client.get("/inner").json() == "inner"


def test_a_controller_can_be_guarded_and_those_that_inherit_from_it_are() -> None:
    @Roles("admin")
    @Controller("/outer")
    class Outer(Inner): ...

    @Controller("/heir")
    class Heir(Outer): ...

    with TestClient(make(Module("x", controllers=[Outer, Heir]))) as client:
        assert [client.get(path).status_code for path in ("/outer", "/heir")] == [401, 401]
        log_in(client, "admin")
        assert [client.get(path).status_code for path in ("/outer", "/heir")] == [200, 200]


def test_middleware_inside_of_a_guard_is_not_reached() -> None:
    reached = []

    async def inside(ctx: Any, call_next: Any) -> Any:
        reached.append(ctx.path)
        return await call_next(ctx)

    @Use(authenticated(), inside)
    @Controller("/x")
    class X(Inner): ...

    with TestClient(make(Module("x", controllers=[X]))) as client:
        assert client.get("/x").status_code == 401
        assert reached == []


class Down(MemoryStore):
    async def load(self, key: str) -> Any:
        raise ConnectionError("down")


@pytest.mark.parametrize(("policy", "status"), [("error", 503), ("anonymous", 401)])
def test_while_the_store_is_down_nobody_passes(policy: str, status: int) -> None:
    with TestClient(make()) as client:
        log_in(client)
        cookie = client.cookies["kick.sid"]
    with TestClient(make(store=Down(), on_store_error=policy), cookies={"kick.sid": cookie}) as client:
        assert client.get("/things/bare").status_code == status


# What is refused at the start


@pytest.mark.parametrize(("guard", "name"), [(authenticated(), "authenticated()"), (roles("x"), 'roles("admin")')])
def test_a_guard_of_the_whole_application_stands_after_the_session(guard: GuardLayer, name: str) -> None:
    modules = [Module("inner", controllers=[Inner])]
    with raises_code("middleware-order") as wrong:
        bootstrap(modules, [guard, session(SECRET)])
    assert wrong.value.fix == f"Put them in this order: `middleware=[session(secret=secret), {name}]`."
    with TestClient(bootstrap(modules, [session(SECRET), guard])) as client:
        assert [client.get(path).status_code for path in ("/inner", "/nowhere")] == [401, 404]


@pytest.mark.parametrize("max_age", [0, -1, "soon", float("inf"), float("nan"), timedelta(0)])
def test_a_max_age_is_a_duration(max_age: Any) -> None:
    with raises_code("auth-max-age"):
        authenticated(max_age=max_age)


@pytest.mark.parametrize("given", [(), ("",), (["admin"],), (7,), (print,)])
def test_roles_are_named(given: Any) -> None:
    with raises_code("auth-roles"):
        roles(*given)


def test_all_of_is_a_list() -> None:
    with raises_code("auth-roles"):
        roles(all_of="admin")
    assert isinstance(roles(all_of=["admin"]), GuardLayer)


@pytest.mark.parametrize("page", ["login", "https://evil.test/login", "//evil.test", "/login?x=1", "/login#x", 7, ""])
def test_a_login_page_is_a_path(page: Any) -> None:
    with raises_code("auth-login-page"):
        authenticated(login_page=page)

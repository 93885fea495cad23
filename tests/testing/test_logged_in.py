"""The session of a client: login, logout, reading, changing, revoking."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kick import Controller, Get, Module, RequestContext, bootstrap
from kick.session import session
from kick.testing import TestClient
from tests.support.setup_errors import raises_code
from tests.testing.app import SECRET, make_app

SERVERS = [pytest.param(kind, marks=getattr(pytest.mark, kind)) for kind in ("redis", "postgres")]


@pytest.fixture(params=["memory://", "sqlite:///{folder}/sessions.db", *SERVERS])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestClient]:
    kind: str = request.param
    store = kind.format(folder=tmp_path) if "://" in kind else request.getfixturevalue(f"{kind}_url")
    with TestClient(make_app(store=store, store_timeout=30)) as client:
        yield client


class TestLogin:
    def test_the_user_is_logged_in_as_by_the_login_page(self, client: TestClient) -> None:
        assert client.get("/account").status_code == 401
        client.login(7)
        assert client.get("/account").json() == "user 7"
        assert client.get("/me").json() == {"id": 7, "roles": [], "name": "user 7"}

    def test_roles_are_those_of_the_guards(self, client: TestClient) -> None:
        client.login(7, roles=["editor"])
        assert client.get("/admin").status_code == 403
        client.login(7, roles=["admin", "editor"])
        assert client.get("/admin").json() == "secret"

    def test_the_cookie_is_that_of_production(self, client: TestClient) -> None:
        client.login(7, remember=True)
        (cookie,) = client.cookies.jar
        assert cookie.name == "kick.sid"
        assert cookie.secure
        assert cookie.expires is not None

    def test_data_is_written_into_the_session(self, client: TestClient) -> None:
        client.login(7, theme="dark", n=3)
        assert client.get("/session").json() == {"theme": "dark", "n": 3}

    def test_what_an_anonymous_visitor_has_chosen_stays(self, client: TestClient) -> None:
        client.post("/cart/tea")
        before = client.cookies["kick.sid"]
        client.login(7)
        assert client.cookies["kick.sid"] != before
        assert client.get("/session").json() == {"cart": ["tea"]}

    def test_a_logout_ends_the_session_for_all_that_have_its_cookie(self, client: TestClient) -> None:
        client.login(7)
        other = client.another()
        other.cookies.update(dict(client.cookies))
        assert other.get("/account").status_code == 200
        client.logout()
        assert "kick.sid" not in client.cookies
        assert [each.get("/account").status_code for each in (client, other)] == [401, 401]

    def test_the_page_logs_out_whom_the_test_has_logged_in(self, client: TestClient) -> None:
        client.login(7)
        client.post("/logout")
        assert client.get("/account").status_code == 401


class TestSession:
    def test_it_is_read(self, client: TestClient) -> None:
        client.post("/cart/tea")
        with client.session() as session:
            assert session["cart"] == ["tea"]
            assert session.principal is None

    def test_it_is_changed_at_the_end_of_the_block(self, client: TestClient) -> None:
        client.post("/cart/tea")
        with client.session() as session:
            session["cart"].append("cup")
            assert client.get("/session").json() == {"cart": ["tea"]}
        assert client.get("/session").json() == {"cart": ["tea", "cup"]}

    def test_it_begins_with_what_is_written(self, client: TestClient) -> None:
        with client.session() as session:
            session.data["theme"] = "dark"
        assert client.get("/session").json() == {"theme": "dark"}

    def test_looking_at_it_begins_none(self, client: TestClient) -> None:
        with client.session() as session:
            assert dict(session) == {}
        assert dict(client.cookies) == {}

    def test_a_block_that_fails_writes_nothing(self, client: TestClient) -> None:
        client.login(7)

        def change() -> None:
            with client.session() as session:
                session["theme"] = "dark"
                raise KeyError

        with pytest.raises(KeyError):
            change()
        assert client.get("/session").json() == {}


class TestSessions:
    def test_all_of_a_user_are_found_and_revoked(self, client: TestClient) -> None:
        phone = client.another()
        client.login(7)
        phone.login(7)
        assert len(client.sessions.of(7)) == 2
        assert client.sessions.revoke(7) == 2
        assert [each.get("/account").status_code for each in (client, phone)] == [401, 401]

    def test_a_login_without_the_page_comes_from_the_same_device_as_one_with_it(self, client: TestClient) -> None:
        client.login(7)
        by_page = client.another()
        assert by_page.post("/login").is_success
        devices = [info.client for info in client.sessions.of(7)]
        assert devices == [{"ip": "testclient", "user_agent": "testclient"}] * 2

    def test_one_is_ended(self, client: TestClient) -> None:
        client.login(7)
        (info,) = client.sessions.of(7)
        assert client.sessions.end(info)
        assert client.sessions.of(7) == []


def test_typed_data_is_written_and_read() -> None:
    class Visit(msgspec.Struct):
        pages: int = 0
        theme: str = "light"

    @Controller("/visit")
    class VisitController:
        @Get()
        async def visit(self, ctx: RequestContext[Visit]) -> Visit:
            return ctx.session.data

    app = bootstrap([Module("visit", controllers=[VisitController])], [session(SECRET, data=Visit)])
    with TestClient(app) as client:
        client.login("ada", pages=3)
        assert client.get("/visit").json() == {"pages": 3, "theme": "light"}
        with client.session() as current:
            current.data.pages += 1
            current.data.theme = "dark"
        assert client.get("/visit").json() == {"pages": 4, "theme": "dark"}


def test_a_cookie_with_a_path_is_sent_there() -> None:
    @Controller("/admin")
    class AdminController:
        @Get()
        async def principal(self, ctx: RequestContext) -> list[str | None]:
            return [ctx.session.principal]

    layer = session(SECRET, cookie={"path": "/admin", "secure": "auto", "same_site": "strict"})
    with TestClient(bootstrap([Module("admin", controllers=[AdminController])], [layer])) as client:
        client.login("ada")
        assert client.get("/admin").json() == ["ada"]


def test_it_works_before_the_application_has_started() -> None:
    client = TestClient(make_app())
    client.login(7)
    with client.session() as current:
        current["theme"] = "dark"
    assert client.get("/account").json() == "user 7"
    assert client.get("/session").json() == {"theme": "dark"}
    assert len(client.sessions.of(7)) == 1


@pytest.mark.parametrize("act", [lambda c: c.login(7), lambda c: c.logout(), lambda c: c.sessions])
def test_an_application_without_sessions_is_told_what_it_lacks(act: object) -> None:
    with raises_code("test-session"):
        act(TestClient(bootstrap([])))  # type: ignore[operator]

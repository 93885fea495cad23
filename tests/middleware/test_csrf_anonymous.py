"""The CSRF token of a visitor without a session: it costs no store call, and counts only until a session begins."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kick import App, Controller, Get, Module, Post, RequestContext, bootstrap
from kick.auth import login
from kick.middleware import csrf
from kick.session import Event, MemoryStore, session
from kick.session.csrf_token import new_token
from kick.signing import Signer
from kick.testing import TestClient
from tests.http.support import Answer, ask
from tests.middleware.test_csrf import outcome
from tests.session.harness import calls_to
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"
COOKIE = "kick.sid.csrf"


@Controller()
class Site:
    @Get("/form")
    async def form(self, ctx: RequestContext) -> str:
        return ctx.session.csrf_token

    @Get("/page")
    async def page(self, ctx: RequestContext) -> Any:
        return ctx.render("page.html")

    @Get("/read-then-write")
    async def read_then_write(self, ctx: RequestContext) -> str:
        token = ctx.session.csrf_token
        ctx.session.data["seen"] = True
        return token

    @Get("/write-then-read")
    async def write_then_read(self, ctx: RequestContext) -> str:
        ctx.session.data["seen"] = True
        return ctx.session.csrf_token

    @Post("/pay")
    async def pay(self, ctx: RequestContext) -> str:
        return "paid"

    @Post("/log-in")
    async def log_in(self, ctx: RequestContext) -> str:
        await login(ctx, "ada")
        return ctx.session.csrf_token

    @Post("/log-out")
    async def log_out(self, ctx: RequestContext) -> None:
        await ctx.session.destroy()


def make(*, templates: Path | None = None, **options: Any) -> App:
    layers = [session(SECRET, **{"save_uninitialized": False, **options}), csrf()]
    return bootstrap([Module("site", controllers=[Site])], layers, templates=templates)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def client(store: MemoryStore) -> Iterator[TestClient]:
    """A visitor on a client that sends neither `Origin` nor `Sec-Fetch-Site`."""
    with TestClient(make(store=store), origin=None) as client:
        yield client


def token_cookies(answer: Answer) -> list[str]:
    return [each for each in answer.all("set-cookie") if each.startswith(COOKIE)]


class TestTheStore:
    async def test_is_never_called_for_a_page_with_a_form(self, store: MemoryStore, tmp_path: Path) -> None:
        (tmp_path / "page.html").write_text("<form>{{ csrf_input() }}</form>")
        app = make(store=store, templates=tmp_path)
        calls = calls_to(store)
        for _ in range(100):
            answer = await ask(app, "/page")
            assert 'name="csrf_token"' in answer.text
        assert (calls, len(store)) == ([], 0)

    async def test_is_not_called_for_the_request_that_the_form_sends(self, store: MemoryStore) -> None:
        app = make(store=store)
        calls = calls_to(store)
        page = await ask(app, "/form")
        (cookie,) = token_cookies(page)
        headers = {"cookie": cookie.partition(";")[0], "x-csrf-token": page.json()}
        assert (await ask(app, "/pay", method="POST", headers=headers)).json() == "paid"
        again = await ask(app, "/form", headers={"cookie": cookie.partition(";")[0]})
        assert again.all("set-cookie") == []
        assert calls == []

    async def test_is_asked_once_for_an_id_that_leads_nowhere_and_gets_no_record(self, store: MemoryStore) -> None:
        app = make(store=store)
        calls = calls_to(store)
        for cookie in (f"kick.sid=s:{Signer(SECRET).sign('a' * 40)}", "kick.sid=forged"):
            answer = await ask(app, "/form", headers={"cookie": cookie})
            assert len(token_cookies(answer)) == 1
            assert any(each.startswith("kick.sid=;") for each in answer.all("set-cookie"))
        assert (calls, len(store)) == (["load"], 0)


class TestTheToken:
    def test_is_needed_once_its_cookie_is_there(self, client: TestClient) -> None:
        assert outcome(client, {}, "/pay") == "paid"  # nothing is done in anybody's name
        token = client.get("/form").json()
        assert outcome(client, {}, "/pay") == "csrf-token-missing"
        assert outcome(client, {"x-csrf-token": "wrong"}, "/pay") == "csrf-token-invalid"
        assert outcome(client, {"x-csrf-token": token}, "/pay") == "paid"
        assert outcome(client, {}, "/pay", data={"csrf_token": token}) == "paid"
        assert outcome(client, {"sec-fetch-site": "none", "x-csrf-token": token}, "/pay") == "paid"
        assert outcome(client, {"sec-fetch-site": "same-origin"}, "/pay") == "paid"
        assert outcome(client, {"sec-fetch-site": "same-origin", "x-csrf-token": new_token("x")}, "/pay") != "paid"
        assert outcome(client, {"sec-fetch-site": "cross-site", "x-csrf-token": token}, "/pay") == "csrf-cross-site"

    def test_of_all_pages_is_valid(self, client: TestClient) -> None:
        tokens = [client.get("/form").json() for _ in range(3)]
        assert len(set(tokens)) == 3
        assert [outcome(client, {"x-csrf-token": each}, "/pay") for each in tokens] == ["paid"] * 3

    def test_of_somebody_else_is_refused(self, client: TestClient) -> None:
        client.get("/form")
        with TestClient(client.app, origin=None) as attacker:
            token = attacker.get("/form").json()
        assert outcome(client, {"x-csrf-token": token}, "/pay") == "csrf-token-invalid"

    def test_is_worth_nothing_beside_a_session(self, client: TestClient) -> None:
        """An attacker who plants a token cookie of his own knows its tokens, and no token of the session."""
        with TestClient(client.app, origin=None) as attacker:
            planted = attacker.get("/form").json()
            cookie = attacker.cookies[COOKIE]
        client.cookies[COOKIE] = cookie
        token = outcome(client, {"x-csrf-token": planted}, "/log-in")
        client.cookies[COOKIE] = cookie
        assert outcome(client, {"x-csrf-token": planted}, "/pay") == "csrf-token-invalid"
        assert outcome(client, {"x-csrf-token": token}, "/pay") == "paid"

    def test_is_worth_nothing_beside_a_session_that_has_ended(self, client: TestClient) -> None:
        token, cookie = client.get("/form").json(), client.cookies[COOKIE]
        outcome(client, {"x-csrf-token": token}, "/log-in")
        dead = client.cookies["kick.sid"]
        client.post("/log-out", headers={"sec-fetch-site": "same-origin"})
        client.cookies.clear()
        client.cookies.update({"kick.sid": dead, COOKIE: cookie})
        assert outcome(client, {"x-csrf-token": token}, "/pay") == "csrf-session"
        page = client.get("/form")
        assert "kick.sid=; Max-Age=0" in page.headers["set-cookie"]  # the dead cookie is taken away
        del client.cookies["kick.sid"]
        assert outcome(client, {"x-csrf-token": page.json()}, "/pay") == "paid"

    def test_stays_valid_if_the_same_request_begins_a_session(self, client: TestClient) -> None:
        for path in ("/read-then-write", "/write-then-read"):
            client.cookies.clear()
            token = client.get(path).json()
            assert set(client.cookies) == {"kick.sid"}
            assert outcome(client, {"x-csrf-token": token}, "/pay") == "paid"

    @pytest.mark.parametrize("how", ["header", "form"])
    def test_stays_valid_if_a_later_request_begins_a_session_after_reading_it(
        self, client: TestClient, how: str
    ) -> None:
        """The visitor has the cookie of a token already; it is removed when the session begins."""
        client.get("/form")
        assert set(client.cookies) == {COOKIE}
        token = client.get("/read-then-write").json()
        assert set(client.cookies) == {"kick.sid"}
        sent: dict[str, Any] = {} if how == "header" else {"data": {"csrf_token": token}}
        headers = {"x-csrf-token": token} if how == "header" else {}
        assert outcome(client, headers, "/pay", **sent) == "paid"

    def test_of_a_visitor_with_a_cookie_is_worth_nothing_for_another_session(self, client: TestClient) -> None:
        client.get("/form")
        token = client.get("/form").json()
        with TestClient(client.app) as other:
            other.get("/write-then-read")
            assert outcome(other, {"x-csrf-token": token}, "/pay") == "csrf-token-invalid"
            assert outcome(other, {"x-csrf-token": f"{token}.{token}"}, "/pay") == "csrf-token-invalid"
        assert outcome(client, {"x-csrf-token": token}, "/pay") == "paid"

    def test_belongs_to_the_session_where_every_visitor_has_one(self) -> None:
        with TestClient(make(save_uninitialized=True), origin=None) as client:
            token = client.get("/form").json()
            assert set(client.cookies) == {"kick.sid"}
            assert outcome(client, {"x-csrf-token": token}, "/pay") == "paid"


class TestTheCookie:
    async def test_is_removed_by_a_login(self) -> None:
        app = make()
        page = await ask(app, "/form")
        cookie = token_cookies(page)[0].partition(";")[0]
        headers = {"cookie": cookie, "x-csrf-token": page.json()}
        answer = await ask(app, "/log-in", method="POST", headers=headers)
        (removal,) = token_cookies(answer)
        assert removal.startswith(f"{COOKIE}=; Max-Age=0; Expires=")
        assert sorted(each.partition("=")[0] for each in answer.all("set-cookie")) == ["kick.sid", COOKIE]

    @pytest.mark.parametrize(
        ("cookie", "name", "attributes"),
        [
            ({}, "kick.sid.csrf", "Path=/; HttpOnly; SameSite=Lax"),
            (
                {"prefix": "auto", "secure": True, "same_site": "strict"},
                "__Host-kick.sid.csrf",
                "Path=/; HttpOnly; Secure; SameSite=Strict",
            ),
            (
                {"prefix": "__Secure-", "secure": True, "domain": "example.com"},
                "__Secure-kick.sid.csrf",
                "Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax",
            ),
        ],
    )
    async def test_is_as_hard_to_plant_as_that_of_the_session(
        self, cookie: dict[str, Any], name: str, attributes: str
    ) -> None:
        page = await ask(make(cookie=cookie), "/form", scheme="https")
        (line,) = page.all("set-cookie")
        given, _, rest = line.partition("; ")
        assert (given.partition("=")[0], rest) == (name, attributes)
        assert page.header("cache-control") == "no-store"
        assert page.header("vary") == "Cookie"

    @pytest.mark.parametrize("signed", [lambda value: Signer(SECRET).sign(value), lambda value: f"{value}.{'A' * 43}"])
    async def test_has_a_signature_for_this_purpose_alone(self, signed: Any) -> None:
        """The value of a session cookie, or of another application with the same secret, is none of a token."""
        page = await ask(make(), "/form")
        value = token_cookies(page)[0].partition(";")[0].partition("=s:")[2].rpartition(".")[0]
        other = await ask(make(cookie_name="other"), "/form")
        foreign = other.all("set-cookie")[0].partition(";")[0].partition("=")[2]
        for planted in (f"s:{signed(value)}", foreign, "s:", "x", ""):
            answer = await ask(make(), "/form", headers={"cookie": f"{COOKIE}={planted}"})
            assert len(token_cookies(answer)) == 1, planted  # a new one takes its place

    async def test_is_not_sent_where_same_site_withholds_it(self) -> None:
        embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "iframe"}
        assert (await ask(make(), "/form", headers=embedded)).all("set-cookie") == []

    def test_leads_to_no_session(self, client: TestClient) -> None:
        client.get("/form")
        client.cookies["kick.sid"] = client.cookies[COOKIE]
        assert outcome(client, {}, "/pay") == "csrf-session"


class TestAnonymousMaxAge:
    async def test_bounds_the_life_before_the_login_only(self) -> None:
        store = MemoryStore()
        app = make(store=store, anonymous_max_age=timedelta(minutes=10), max_age=timedelta(hours=8))
        begun = await ask(app, "/write-then-read")
        (cookie,) = begun.all("set-cookie")
        assert "Max-Age=600;" in cookie
        ((record),) = store._entries.values()
        assert round(record.expires_at - store.now()) == 600
        headers = {"cookie": cookie.partition(";")[0], "x-csrf-token": begun.json()}
        (cookie,) = (await ask(app, "/log-in", method="POST", headers=headers)).all("set-cookie")
        assert "Max-Age=28800;" in cookie

    def test_is_checked(self) -> None:
        with raises_code("session-option"):
            session(SECRET, anonymous_max_age=0)


class TestAFullMemoryStore:
    async def test_drops_visitors_before_users_and_tells_of_it(self) -> None:
        seen: list[Event] = []
        store = MemoryStore(max_sessions=10)
        app = make(store=store, on_event=seen.append)
        users = []
        for _ in range(3):
            answer = await ask(app, "/log-in", method="POST")
            users.append(answer.all("set-cookie")[0].partition(";")[0])
        for _ in range(100):
            await ask(app, "/write-then-read")
        assert len(store) == 10
        for cookie in users:  # they are the nearest to their end, and live
            token = (await ask(app, "/form", headers={"cookie": cookie})).json()
            headers = {"cookie": cookie, "x-csrf-token": token}
            assert (await ask(app, "/pay", method="POST", headers=headers)).json() == "paid"
        evicted = [each for each in seen if each.kind.value == "evicted"]
        assert len(evicted) == 100 + 3 - 10
        assert all(each.session for each in evicted)

    async def test_drops_the_visitor_who_was_there_the_longest_ago(self) -> None:
        store = MemoryStore(max_sessions=3)
        app = make(store=store)
        first, second, _ = [(await ask(app, "/write-then-read")).all("set-cookie")[0] for _ in range(3)]
        headers = {"cookie": first.partition(";")[0]}
        await ask(app, "/log-in", method="POST", headers={**headers, "sec-fetch-site": "same-origin"})
        await ask(app, "/write-then-read")
        answer = await ask(app, "/form", headers={"cookie": second.partition(";")[0]})
        assert len(token_cookies(answer)) == 1  # its session is gone

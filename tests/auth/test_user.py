"""`authentication()`: the user that is logged in, by type."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kick import Controller, Get, Module, Post, RequestContext, Service, bootstrap
from kick.auth import Identity, authentication
from kick.http import File
from kick.middleware import csrf
from kick.session import session
from kick.testing import TestClient
from tests.auth.support import SECRET, User, Users, load_user, make
from tests.http.support import ask
from tests.support.setup_errors import raises_code


def log_in(client: TestClient, user_id: int = 7) -> None:
    assert client.post("/auth/login", json={"user_id": user_id}).status_code == 200


def test_a_handler_gets_the_user_and_strangers_a_401() -> None:
    with TestClient(make()) as client:
        answer = client.get("/things/user")
        assert (answer.status_code, answer.json()["code"]) == (401, "login-required")
        assert client.get("/things/maybe").json() == "nobody"
        log_in(client)
        assert client.get("/things/user").json() == client.get("/things/maybe").json() == "Ada"
        assert client.get("/things/identity").json() == 7


def test_a_user_who_is_no_more_is_nobody() -> None:
    with TestClient(make()) as client:
        log_in(client, 99)
        assert client.get("/things/user").status_code == 401
        assert client.get("/things/maybe").json() == "nobody"
        assert client.get("/things/identity").json() == 99


def test_a_user_is_loaded_once_a_request_and_only_when_asked_for() -> None:
    with TestClient(app := make()) as client:
        log_in(client)
        users = app.container.instance(Users)
        assert client.get("/things/identity").status_code == 200
        assert users.loads == 0
        assert client.get("/things/user").status_code == 200  # asks for it twice
        assert users.loads == 1


def test_a_loader_may_be_plain_and_take_nothing_else() -> None:
    def load(user_id: int) -> User:
        return User(user_id, "Plain")

    with TestClient(make(loader=load)) as client:
        log_in(client)
        assert client.get("/things/user").json() == client.get("/things/maybe").json() == "Plain"


@pytest.mark.parametrize("name", ["ctx", "context", "needed", "who", "user", "load_user", "request"])
def test_a_loader_may_take_the_context_by_any_name(name: str) -> None:
    names: dict[str, Any] = {"User": User, "RequestContext": RequestContext}
    exec(f"async def load(id: int, {name}: RequestContext) -> User | None: return User(id, {name}.path)", names)
    with TestClient(make(loader=names["load"])) as client:
        log_in(client)
        assert client.get("/things/user").json() == "/things/user"


def test_without_a_loader_there_is_the_identity() -> None:
    @Controller("/x")
    class X:
        @Get()
        async def show(self, who: Identity | None) -> bool:
            return who is None

    app = bootstrap([Module("x", controllers=[X])], [session(SECRET), authentication()])
    with TestClient(app) as client:
        assert client.get("/x").json() is True


def test_what_lives_longer_than_the_user_is_named_with_the_type_that_its_author_wrote() -> None:
    @Service(scope="request")
    class Page:
        def __init__(self, user: User) -> None: ...

    @Controller("/x")
    class X:
        @Get()
        async def show(self, page: Page) -> None: ...

    Page.__init__.__annotations__["user"] = User
    X.show.__annotations__["page"] = Page
    layers = [session(SECRET, save_uninitialized=False), authentication(load_user)]
    with raises_code("di-scope") as caught:
        bootstrap([Module("x", controllers=[X])], layers, providers=[Users])
    assert "`user: User`" in caught.value.fix
    assert "User | None" not in str(caught.value)
    assert "kick/auth" not in str(caught.value)


def test_what_a_loader_needs_is_checked_at_the_start() -> None:
    class Missing: ...

    async def load(user_id: int, missing: Missing) -> User | None:
        return None

    load.__annotations__ = {"user_id": int, "missing": Missing, "return": User | None}
    with raises_code("di-missing-provider", match="Missing"):
        make(loader=load)


def test_a_loader_whose_types_are_not_there_is_named() -> None:
    async def load(user_id: int, missing: Nowhere) -> User | None:  # type: ignore[name-defined]  # noqa: F821
        return None

    with raises_code("di-unresolved-hint", match="Nowhere"):
        authentication(load)


async def no_id() -> User | None: ...
async def by_name(*, user_id: int) -> User | None: ...
async def two(user_id: int) -> User | int | None: ...
async def anything(user_id: int) -> Any: ...
async def unsaid(user_id: int): ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize("loader", [no_id, by_name, two, anything, User, 7])
def test_what_loads_no_user_is_refused(loader: Any) -> None:
    with raises_code("auth-loader"):
        authentication(loader)


def test_a_loader_says_what_it_returns() -> None:
    with raises_code("di-missing-return-hint"):
        authentication(unsaid)


class Draft(msgspec.Struct):
    text: str


class Author:
    def __init__(self, user: User) -> None:
        self.user = user


def author(user: User) -> Author:
    return Author(user)


@Controller()
class Uploads:
    @Get("/form")
    async def form(self, ctx: RequestContext) -> str:
        return ctx.session.csrf_token

    @Post("/user", files=File(max_size=1 << 30))
    async def by_user(self, user: User, body: Draft) -> str:
        return user.name

    @Post("/identity", files=File(max_size=1 << 30))
    async def by_identity(self, who: Identity, body: Draft) -> int:
        return int(who.user_id)

    @Post("/author", files=File(max_size=1 << 30))
    async def by_author(self, author: Author, body: Draft) -> str:
        return author.user.name

    @Post("/anybody")
    async def by_anybody(self, user: User | None, body: Draft) -> str:
        return body.text


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("path", ["/user", "/identity", "/author"])
async def test_an_anonymous_user_is_refused_before_csrf_reads_an_upload(path: str, media_type: str) -> None:
    """A request that proves its origin by a form alone, of a visitor who has a token: anybody can get one."""
    layers = [session(SECRET, save_uninitialized=False), csrf(), authentication(load_user)]
    app = bootstrap([Module("uploads", controllers=[Uploads])], layers, providers=[Users, author])
    page = await ask(app, "/form")
    headers = {"content-type": media_type, "cookie": page.all("set-cookie")[0].partition(";")[0]}
    answer = await ask(app, path, method="POST", body=b"x", headers=headers)
    assert (answer.status, answer.json()["code"], answer.read) == (401, "login-required", 0)
    if not media_type.startswith("multipart"):
        answer = await ask(
            app, "/anybody", method="POST", body=f"text=a&csrf_token={page.json()}".encode(), headers=headers
        )
        assert (answer.status, answer.json()) == (200, "a")

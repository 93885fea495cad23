"""Two cookies with a valid signature, since a sub-domain can plant one: the token is that of the session in use."""

from collections.abc import Iterator

import pytest

from kick import App, Controller, Get, Module, Post, RequestContext, bootstrap
from kick.middleware import csrf
from kick.session import MemoryStore, session
from kick.testing import TestClient

SECRET = "a secret of at least thirty-two bytes"


@Controller("")
class Bank:
    @Get("/token/{name}")
    async def token(self, ctx: RequestContext, name: str) -> str:
        ctx.session.data["name"] = name
        await ctx.session.save()
        return ctx.session.csrf_token

    @Get("/change/{verb}")
    async def change(self, ctx: RequestContext, verb: str) -> str:
        await getattr(ctx.session, verb)()
        return ctx.session.csrf_token

    @Post("/pay")
    async def pay(self, ctx: RequestContext) -> str:
        return str(ctx.session.data["name"])


class Somebody:
    """A session, its cookie and its token."""

    def __init__(self, app: App, name: str) -> None:
        self.client = TestClient(app, origin=None)
        self.token = self.client.get(f"/token/{name}").json()
        self.cookie = self.client.cookies["kick.sid"]

    def change(self, verb: str) -> str:
        return str(self.client.get(f"/change/{verb}").json())


@pytest.fixture(params=["kick.sid", "old.sid"])
def planted(request: pytest.FixtureRequest) -> str:
    """The name of the cookie that is planted: that of the session, or a former one."""
    return str(request.param)


@pytest.fixture
def app(planted: str) -> Iterator[App]:
    app = bootstrap(
        [Module("bank", controllers=[Bank])],
        [session(SECRET, store=MemoryStore(), cookie={"replaces": ["old.sid"]}), csrf()],
    )
    with TestClient(app):
        yield app


def pay(app: App, cookies: list[str], token: str) -> object:
    with TestClient(app, origin=None) as client:
        answer = client.post("/pay", headers={"cookie": "; ".join(cookies), "origin": "null", "x-csrf-token": token})
    return answer.json() if answer.status_code == 200 else answer.json()["code"]


@pytest.mark.parametrize("end", ["destroy", "regenerate"])
@pytest.mark.parametrize("is_rotated", [False, True])
def test_the_token_of_a_session_that_has_ended_opens_none_that_lives(
    app: App, planted: str, end: str, is_rotated: bool
) -> None:
    mallory, ada = Somebody(app, "mallory"), Somebody(app, "ada")
    mallory.change(end)  # the cookie of before leads nowhere
    later = ada.change("rotate") if is_rotated else ada.token
    dead, living = f"{planted}={mallory.cookie}", f"kick.sid={ada.cookie}"
    for cookies in ([dead, living], [living, dead], [dead, dead, living]):
        assert pay(app, cookies, mallory.token) == "csrf-token-invalid", cookies
        assert pay(app, cookies, ada.token) == "ada", cookies  # also just after a rotation
        assert pay(app, cookies, later) == "ada", cookies


def test_of_two_living_sessions_the_token_of_the_other_one_is_wrong(app: App, planted: str) -> None:
    mallory, ada = Somebody(app, "mallory"), Somebody(app, "ada")
    first, second = f"kick.sid={ada.cookie}", f"{planted}={mallory.cookie}"
    assert pay(app, [first, second], ada.token) == "ada"
    assert pay(app, [first, second], mallory.token) == "csrf-token-invalid"
    mallory.change("rotate")
    assert pay(app, [first, second], mallory.token) == "csrf-token-invalid"

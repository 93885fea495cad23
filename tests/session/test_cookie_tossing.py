"""A sibling sub-domain plants a cookie of its own, signed and with a longer path: the victim keeps the own session."""

from typing import Any

import pytest

from kick import App, Controller, Get, Module, Post, RequestContext, bootstrap
from kick.errors import KickError
from kick.middleware import csrf
from kick.session import MemoryStore, session
from tests.http.support import Answer, ask

SECRET = "a secret of at least thirty-two bytes"


@Controller()
class Bank:
    @Post("/log-in/{name}")
    async def log_in(self, ctx: RequestContext, name: str) -> None:
        await ctx.session.regenerate()
        ctx.session.data["user"] = name

    @Get("/account/form")
    async def form(self, ctx: RequestContext) -> Any:
        return [ctx.session.data.get("user"), ctx.session.csrf_token]

    @Post("/account/card")
    async def card(self, ctx: RequestContext) -> Any:
        return ctx.session.data.get("user")


def make(store: MemoryStore, **cookie: Any) -> App:
    options: Any = {"secure": True, **cookie}
    layers = [session(SECRET, save_uninitialized=False, store=store, cookie=options), csrf()]
    return bootstrap([Module("bank", controllers=[Bank])], layers)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def set_cookies(answer: Answer) -> dict[str, str]:
    pairs = [each.partition(";")[0].partition("=") for each in answer.all("set-cookie")]
    return {name: value for name, _, value in pairs}


async def logged_in(app: App, name: str) -> tuple[str, str]:
    """The name and the value of somebody's cookie."""
    ((cookie, value),) = set_cookies(await ask(app, f"/log-in/{name}", method="POST")).items()
    return cookie, value


def beside(planted: str, own: str) -> dict[str, str]:
    """What a browser sends: the cookie with the longer path comes first (RFC 6265, section 5.4)."""
    return {"cookie": f"{planted}; {own}", "sec-fetch-site": "same-origin"}


async def test_without_a_prefix_the_planted_cookie_counts(store: MemoryStore) -> None:
    """The attack: the victim stores a card in the account of the attacker."""
    app = make(store)
    (name, attacker), (_, victim) = await logged_in(app, "eve"), await logged_in(app, "ada")
    headers = beside(f"{name}={attacker}", f"{name}={victim}")
    assert (await ask(app, "/account/card", method="POST", headers=headers)).json() == "eve"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_planted_cookie_is_not_read(store: MemoryStore, scheme: str) -> None:
    app = make(store, prefix="auto")
    (name, attacker), (_, victim) = await logged_in(app, "eve"), await logged_in(app, "ada")
    assert name == "__Host-kick.sid"
    headers = beside(f"kick.sid={attacker}", f"{name}={victim}")
    assert (await ask(app, "/account/card", method="POST", headers=headers, scheme=scheme)).json() == "ada"
    alone = {"cookie": f"kick.sid={attacker}", "sec-fetch-site": "same-origin"}
    answer = await ask(app, "/account/card", method="POST", headers=alone, scheme=scheme)
    assert (answer.status, set_cookies(answer)) == (204, {})


async def test_a_disguised_name_is_another_name(store: MemoryStore) -> None:
    app = make(store, prefix="auto")
    (name, attacker), (_, victim) = await logged_in(app, "eve"), await logged_in(app, "ada")
    for disguise in ("\xa0", "\x0b", "\x85", "\x00", '"', "%20", "=", "$", "\xef\xbb\xbf"):
        for planted in (f"{disguise}{name}={attacker}", f"{name}{disguise}={attacker}", f"{name.lower()}={attacker}"):
            if planted.startswith(f"{name}=="):
                continue  # a value that begins with a sign of equality, and is signed by nobody
            headers = beside(planted, f"{name}={victim}")
            assert (await ask(app, "/account/card", method="POST", headers=headers)).json() == "ada", planted


async def test_a_planted_token_cookie_is_not_read(store: MemoryStore) -> None:
    app = make(store, prefix="auto")
    page = await ask(app, "/account/form")
    ((name, value),) = set_cookies(page).items()
    assert name == "__Host-kick.sid.csrf"
    token = page.json()[1]
    planted = {"cookie": f"kick.sid.csrf={value}", "x-csrf-token": token, "sec-fetch-site": "none"}
    answer = await ask(app, "/account/card", method="POST", headers=planted)
    assert (answer.status, answer.json()["code"]) == (403, "csrf-token-invalid")


async def test_the_bare_name_is_read_through_replaces_only(store: MemoryStore) -> None:
    before = make(store)
    name, value = await logged_in(before, "ada")
    for replaces, user in (([], None), (["kick.sid"], "ada")):
        app = make(store, prefix="auto", replaces=replaces)
        answer = await ask(app, "/account/form", headers={"cookie": f"{name}={value}"})
        assert answer.json()[0] == user
        assert ("__Host-kick.sid" in set_cookies(answer)) is (user is not None)


async def test_over_http_in_development_there_is_no_prefix_and_replaces_may_stay(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KICK_ENV", "development")
    app = make(store, prefix="auto", secure=None, replaces=["kick.sid", "old.sid"])
    name, value = await logged_in(app, "ada")
    assert name == "kick.sid"
    answer = await ask(app, "/account/form", headers={"cookie": f"{name}={value}"})
    assert (answer.json()[0], answer.all("set-cookie")) == ("ada", [])
    with pytest.raises(KickError):
        make(store, replaces=["kick.sid"])
    with pytest.raises(KickError):
        make(store, prefix="auto", secure=True, replaces=["__Host-kick.sid"])

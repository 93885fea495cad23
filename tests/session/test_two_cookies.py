"""Two ids in one Cookie header: every pair of cookies and every request, compared with a model.

The rules (section 3 of the contract): the first cookie that leads to a living session counts; a logout ends every
living session that came; an id without a session is never adopted; what a regenerate has replaced leads nowhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from kick.session import CookieOptions
from kick.session.cookie import SessionCookie
from kick.session.ids import generate_id
from kick.signing import Signer
from tests.session.harness import SECRET, Browser, Site, setting
from tests.session.test_interleavings import REQUESTS


@dataclass
class Given:
    """A cookie that a browser has: its session, if it lives, and whether another id has replaced its own."""

    value: str
    data: dict[str, Any] | None = None
    newest: str = ""
    """The cookie that opens the session afterwards."""
    is_given_up: bool = False


async def live(site: Site, number: int) -> Given:
    browser = Browser(site)
    await browser.visit(setting(number=number, secret=True))
    assert browser.cookie is not None
    return Given(browser.cookie, {"number": number, "secret": True}, browser.cookie)


async def rotated(site: Site, number: int) -> Given:
    given = await live(site, number)
    browser = Browser(site, given.value)
    await browser.visit(lambda session: session.rotate())
    assert browser.cookie is not None
    return Given(given.value, given.data, browser.cookie)


async def given_up(site: Site, number: int) -> Given:
    given = await live(site, number)
    await Browser(site, given.value).visit(lambda session: session.regenerate())
    return Given(given.value, is_given_up=True)


async def ended(site: Site, number: int) -> Given:
    given = await live(site, number)
    await Browser(site, given.value).visit(lambda session: session.destroy())
    return Given(given.value)


async def unknown(_: Site, number: int) -> Given:
    return Given(f"s:{Signer(SECRET).sign(generate_id())}")


async def forged(site: Site, number: int) -> Given:
    given = await live(site, number)
    return Given(f"{given.value[:-4]}AAAA")


COOKIES: dict[str, Callable[[Site, int], Awaitable[Given]]] = {
    "live": live,
    "rotated": rotated,
    "given up": given_up,
    "ended": ended,
    "unknown": unknown,
    "forged": forged,
}

WRITES: dict[str, dict[str, Any]] = {
    "write": {"a": 1},
    "count": {"n": 1},
    "save": {"saved": True, "written": True},
    "rotate twice": {"rotated": True},
}
"""What requests leave in a session. A `rotate()` writes something only in a session that lives, like the others."""


async def data_of(site: Site, cookie: str) -> dict[str, Any]:
    return dict((await site.request(lambda session: dict(session.data), cookie=f"kick.sid={cookie}")).value)


def expected(name: str, data: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a request makes of a session; `None` for both: there is none."""
    match name:
        case "logout":
            return None
        case "login":
            return {**(data or {}), "user_id": 8}
        case "login without the data":
            return {"user_id": 8}
        case _ if name in WRITES:
            return {**(data or {}), **WRITES[name]}
        case _:
            return data


async def check(store: Any, first: str, second: str, name: str) -> None:
    site = Site(store)
    cookies = [await COOKIES[first](site, 1), await COOKIES[second](site, 2)]
    taken = next((each for each in cookies if each.data is not None), None)
    valid = [each for each, kind in zip(cookies, (first, second), strict=True) if kind != "forged"]
    is_given_up = taken is None and any(each.is_given_up for each in cookies)
    header = "; ".join(f"kick.sid={each.value}" for each in cookies)
    answer = await site.request(REQUESTS[name], cookie=header)
    what = f"{name} with {first} and {second}"
    assert answer.status == (409 if name == "count" and is_given_up else 200), what

    after = expected(name, None if taken is None else taken.data)
    if is_given_up and name not in ("login", "login without the data"):
        after = None  # whoever has an id that a login has given up starts no session by accident
    opened = answer.session_cookie or (taken.newest if taken is not None else valid[0].value if valid else "none")
    assert await data_of(site, opened) == (after or {}), what
    if name == "logout" and not is_given_up:
        assert answer.session_cookie == "", what
    for each in valid:
        if each is taken:
            left: dict[str, Any] | None = after
            if name in ("login", "login without the data"):
                left = None  # the id from before the login
        else:
            left = None if name == "logout" else each.data
        assert await data_of(site, each.newest or each.value) == (left or {}), f"{what}: {each}"
    events = site.events.count("ambiguous_cookie")
    assert events == (sum(each.data is not None for each in cookies) == 2), what


@pytest.mark.parametrize("first", COOKIES)
async def test_of_two_cookies_the_first_living_one_counts(racing_store: Any, first: str) -> None:
    for second, name in itertools.product(COOKIES, REQUESTS):
        await check(racing_store, first, second, name)


def test_two_headers_are_read_in_their_order() -> None:
    signer = Signer(SECRET)
    ids = [generate_id(), generate_id()]
    headers = [(b"cookie", f"kick.sid=s:{signer.sign(each)}".encode()) for each in ids]
    assert [claim.session_id for claim in SessionCookie("kick.sid", signer, CookieOptions()).read(headers)] == ids

"""Requests from which `SameSite` withholds the cookie: they must not replace the session that the browser has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from kick.auth import login
from kick.session import CookieOptions
from kick.session.headers import is_withheld
from tests.session.harness import Site, calls_to, setting

CROSS = {"sec-fetch-site": "cross-site"}
NAVIGATION = {**CROSS, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FRAME = {**CROSS, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
SUBRESOURCE = {**CROSS, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
OLD_BROWSER = {"origin": "https://evil.test", "host": "shop.test"}

WITHHELD = [
    ("lax", "POST", NAVIGATION),
    ("lax", "POST", CROSS),
    ("lax", "GET", FRAME),
    ("lax", "GET", SUBRESOURCE),
    ("lax", "POST", OLD_BROWSER),
    ("strict", "GET", NAVIGATION),
    ("strict", "POST", NAVIGATION),
    ("strict", "GET", OLD_BROWSER),
    ("lax", "POST", {"origin": "https://evil.co.uk", "host": "shop.co.uk"}),
    ("lax", "POST", {"origin": "https://evil.com.au:444", "host": "shop.com.au:443"}),
    ("lax", "POST", {"origin": "https://evil.github.io", "host": "shop.github.io"}),
    ("lax", "POST", {"origin": "http://192.0.2.1", "host": "198.0.2.1:8000"}),
]
SENT = [
    ("lax", "GET", NAVIGATION),
    ("lax", "HEAD", NAVIGATION),
    ("lax", "GET", {}),
    ("lax", "POST", {}),
    ("lax", "POST", {"sec-fetch-site": "same-site"}),
    ("lax", "POST", {"sec-fetch-site": "same-origin", "origin": "https://evil.test", "host": "shop.test"}),
    ("lax", "POST", {"sec-fetch-site": "none"}),
    ("strict", "POST", {"sec-fetch-site": "same-origin"}),
    ("strict", "GET", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}),
    ("lax", "POST", {"origin": "https://shop.test", "host": "shop.test:8443"}),
    ("lax", "POST", {"origin": "https://www.shop.test", "host": "shop.test"}),
    ("lax", "POST", {"origin": "https://a.shop.test:444", "host": "b.shop.test"}),
    ("lax", "POST", {"origin": "https://a.shop.co.uk", "host": "b.shop.co.uk"}),
    ("lax", "POST", {"origin": "https://a.shop.co.uk", "host": "shop.co.uk"}),
    ("lax", "POST", {"origin": "https://a.shop.github.io", "host": "b.shop.github.io"}),
    ("lax", "POST", {"origin": "http://192.0.2.1:8000", "host": "192.0.2.1:9000"}),
    ("lax", "POST", {"origin": "null", "host": "shop.test"}),
    ("none", "POST", CROSS),
    ("none", "POST", OLD_BROWSER),
]


def scope_of(method: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {"method": method, "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}


@pytest.mark.parametrize(("same_site", "method", "headers"), WITHHELD)
def test_browsers_withhold_the_cookie(same_site: Any, method: str, headers: dict[str, str]) -> None:
    assert is_withheld(scope_of(method, headers), same_site)


@pytest.mark.parametrize(("same_site", "method", "headers"), SENT)
def test_browsers_send_the_cookie(same_site: Any, method: str, headers: dict[str, str]) -> None:
    assert not is_withheld(scope_of(method, headers), same_site)


def test_the_dot_of_the_root_makes_no_site() -> None:
    assert is_withheld(scope_of("POST", {"origin": "https://evil.test.", "host": "shop.test."}), "lax")
    assert not is_withheld(scope_of("POST", {"origin": "https://shop.test.", "host": "shop.test:8000"}), "lax")


def test_two_names_of_one_label_are_two_sites() -> None:
    assert is_withheld(scope_of("POST", {"origin": "https://a.test", "host": "b.test"}), "lax")


def test_headers_that_are_no_hosts_raise_nothing() -> None:
    for origin in ("", "://", "https://", "https://[::1", "\xff", "a" * 5000):
        is_withheld({"method": "POST", "headers": [(b"origin", origin.encode("latin-1"))]}, "lax")


async def failing_csrf(session: Any) -> None:
    _ = session.csrf_token


@pytest.mark.parametrize("save_uninitialized", [True, False])
@pytest.mark.parametrize("act", [lambda session: None, lambda session: session.csrf_token, lambda session: session.id])
async def test_what_no_handler_wrote_is_neither_stored_nor_sent(
    store: Any, act: Callable[[Any], Any], save_uninitialized: bool
) -> None:
    site = Site(store, save_uninitialized=save_uninitialized)
    calls = calls_to(store)
    answer = await site.request(act, method="POST", headers=NAVIGATION)
    assert (answer.status, answer.cookies, calls) == (200, [], [])
    assert "withheld" not in site.events


async def increment(session: Any) -> Any:
    return [await session.increment("n"), await session.increment("n", 2)]


async def modify(session: Any) -> Any:
    return await session.modify("cart", lambda cart: [*cart, 1], [])


async def save(session: Any) -> Any:
    session["a"] = 1
    return await session.save()


WRITES = [
    (setting(cart=[1]), None),
    (lambda session: session.flash.__setitem__("status", "Saved"), None),
    (lambda session: setattr(session, "principal", 7), None),
    (increment, [1, 3]),
    (modify, [1]),
    (save, False),
]


@pytest.mark.parametrize(("act", "value"), WRITES)
async def test_what_a_handler_wrote_is_dropped_with_an_event(store: Any, act: Callable[[Any], Any], value: Any) -> None:
    site = Site(store)
    calls = calls_to(store)
    answer = await site.request(act, method="POST", headers=NAVIGATION)
    assert (answer.status, answer.cookies, calls, answer.value) == (200, [], [], value)
    assert site.events == ["withheld"]


async def test_a_handler_that_asks_for_a_new_session_gets_one(store: Any) -> None:
    async def regenerate(session: Any) -> None:
        await session.regenerate()
        session["a"] = 1

    site = Site(store)
    answer = await site.request(regenerate, method="POST", headers=NAVIGATION)
    assert answer.session_cookie
    back = await site.request(lambda session: dict(session.data), cookie=f"kick.sid={answer.session_cookie}")
    assert back.value == {"a": 1}


async def test_a_login_gets_a_session(store: Any) -> None:
    site = Site(store)
    answer = await site.request(lambda ctx: login(ctx, 7), method="POST", headers=CROSS, wants_context=True)
    assert answer.session_cookie


async def test_a_link_from_a_search_engine_gets_its_session(store: Any) -> None:
    answer = await Site(store).request(setting(a=1), headers=NAVIGATION)
    assert answer.session_cookie


async def test_a_request_that_came_with_a_cookie_was_not_kept_from_it(store: Any) -> None:
    answer = await Site(store).request(setting(a=1), method="POST", headers=CROSS, cookie="kick.sid=s:nothing.here")
    assert answer.session_cookie


async def test_without_same_site_nothing_is_withheld(store: Any) -> None:
    site = Site(store, cookie=CookieOptions(same_site="none", secure=True))
    assert (await site.request(setting(a=1), method="POST", headers=CROSS)).session_cookie

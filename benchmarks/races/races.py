"""The five races, each a function that returns true if nothing went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from httpx2 import AsyncClient

Open = Callable[[], AsyncClient]
"""Returns another browser."""

CLICKS: Final = 20


async def two_tabs(browser: Open) -> bool:
    """Two requests at once write different keys; both values are stored."""
    async with browser() as ada:
        await ada.post("/login")
        slow = [asyncio.ensure_future(ada.post("/set", params={"key": key})) for key in ("a", "b")]
        await _waiting(ada, 2)
        await ada.post("/gate")
        await asyncio.gather(*slow)
        values = await _read(ada)
        return values.get("a") == values.get("b") == 1


async def clicks(browser: Open) -> bool:
    """Twenty requests at once count in the session; none is lost."""
    async with browser() as ada:
        await ada.post("/login")
        await asyncio.gather(*(ada.post("/count") for _ in range(CLICKS)))
        return (await _read(ada)).get("n") == CLICKS


async def logout_meanwhile(browser: Open) -> bool:
    """A request that began before the logout ends after it; the session stays ended."""
    async with browser() as ada:
        await ada.post("/login")
        cookies = dict(ada.cookies)
        slow = asyncio.ensure_future(ada.post("/set", params={"key": "a"}))
        await _waiting(ada, 1)
        await ada.post("/logout")
        await ada.post("/gate")
        await slow
        return not await _is_logged_in(browser, cookies) and "user" not in await _read(ada)


async def copied_cookie(browser: Open) -> bool:
    """A copy of the cookie is worthless after the logout."""
    async with browser() as ada:
        await ada.post("/login")
        cookies = dict(ada.cookies)
        await ada.post("/logout")
        return not await _is_logged_in(browser, cookies)


async def planted_cookie(browser: Open) -> bool:
    """An attacker plants a cookie of a session of their own; after the login of the user it is no login of theirs."""
    async with browser() as attacker:
        await attacker.post("/count")  # a session that is stored
        cookies = dict(attacker.cookies)
    async with browser() as ada:
        ada.cookies.update(cookies)
        await ada.post("/login")
        return not await _is_logged_in(browser, cookies)


RACES: Final[dict[str, Callable[[Open], Awaitable[bool]]]] = {
    "two tabs write different keys": two_tabs,
    f"{CLICKS} clicks are counted at once": clicks,
    "a logout during a slow request": logout_meanwhile,
    "a copy of the cookie after the logout": copied_cookie,
    "a planted cookie before the login": planted_cookie,
}


async def _read(client: AsyncClient) -> dict[str, Any]:
    values: dict[str, Any] = (await client.get("/read")).json()
    return values


async def _is_logged_in(browser: Open, cookies: dict[str, str]) -> bool:
    async with browser() as copy:
        copy.cookies.update(cookies)
        return "user" in await _read(copy)


async def _waiting(client: AsyncClient, number: int) -> None:
    while (await client.get("/waiting")).json() != number:  # noqa: ASYNC110  # the event is in another process
        await asyncio.sleep(0.01)

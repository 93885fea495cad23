"""Several cookies of the session's name in one request, and cookies of former names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kick.session import CookieOptions
from kick.session.cookie import MOST_CLAIMS
from kick.session.ids import generate_id
from kick.session.options import check_options
from kick.signing import Signer
from tests.session.harness import Answer, Browser, Site, calls_to, setting
from tests.session.test_parallel import Paused
from tests.support.costs import assert_costs_at_most


async def signed_in(site: Site, **values: Any) -> str:
    """The signed value of a living session."""
    browser = Browser(site)
    await browser.visit(setting(**values))
    assert browser.cookie is not None
    return browser.cookie


async def destroyed(site: Site) -> str:
    browser = Browser(site)
    await browser.visit(setting(dead=1))
    cookie = browser.cookie
    await browser.visit(lambda session: session.destroy())
    assert cookie is not None
    return cookie


async def data_of(site: Site, cookie: str) -> Any:
    return (await site.request(lambda session: dict(session.data), cookie=cookie)).value


class Fixed(Browser):
    """Sends the same `Cookie` header in each request."""

    async def visit(self, act: Callable[[Any], Any] = lambda _: None, **options: Any) -> Answer:
        return await self.site.request(act, cookie=self.cookie, **options)


class TestDeadAndLiving:
    async def test_a_dead_cookie_does_not_hide_the_living_one(self, store: Any) -> None:
        site = Site(store)
        dead, live = await destroyed(site), await signed_in(site, n=1)
        for order in ([dead, live], [live, dead], [dead, dead, live]):
            header = "; ".join(f"kick.sid={each}" for each in order)
            assert await data_of(site, header) == {"n": 1}
        assert "ambiguous_cookie" not in site.events

    async def test_a_write_goes_to_the_living_one_and_no_cookie_is_sent(self, store: Any) -> None:
        site = Site(store)
        dead, live = await destroyed(site), await signed_in(site, n=1)
        answer = await site.request(setting(n=2), cookie=f"kick.sid={dead}; kick.sid={live}")
        assert answer.cookies == []
        assert await data_of(site, f"kick.sid={live}") == {"n": 2}

    async def test_all_dead_is_a_new_session(self, store: Any) -> None:
        site = Site(store)
        one, two = await destroyed(site), await destroyed(site)
        answer = await site.request(setting(a=1), cookie=f"kick.sid={one}; kick.sid={two}")
        assert answer.session_cookie not in (None, one, two)
        assert site.events.count("unknown_id") == 1

    async def test_a_regenerated_id_beside_the_new_one_is_dead(self, store: Any) -> None:
        site = Site(store)
        browser = Browser(site)
        await browser.visit(setting(n=1))
        old = browser.cookie
        await browser.visit(lambda session: session.regenerate())
        assert await data_of(site, f"kick.sid={old}; kick.sid={browser.cookie}") == {"n": 1}

    async def test_a_rotated_id_and_its_successor_are_one_session(self, store: Any) -> None:
        site = Site(store)
        browser = Browser(site)
        await browser.visit(setting(n=1))
        old = browser.cookie
        await browser.visit(lambda session: session.rotate())
        assert await data_of(site, f"kick.sid={old}; kick.sid={browser.cookie}") == {"n": 1}
        assert "ambiguous_cookie" not in site.events


class TestSeveralLiving:
    async def test_the_first_counts_and_it_is_an_event(self, store: Any) -> None:
        site = Site(store)
        one, two = await signed_in(site, n=1), await signed_in(site, n=2)
        assert await data_of(site, f"kick.sid={two}; kick.sid={one}") == {"n": 2}
        assert site.events[-1] == "ambiguous_cookie"

    async def test_destroy_ends_every_one_that_came(self, store: Any) -> None:
        site = Site(store)
        cookies = [await signed_in(site, n=number) for number in range(3)]
        header = "; ".join(f"kick.sid={each}" for each in cookies)
        answer = await site.request(lambda session: session.destroy(), cookie=header)
        assert len(answer.cookies) == 1
        for each in cookies:
            assert await data_of(site, f"kick.sid={each}") == {}

    async def test_at_most_four_are_looked_up(self, store: Any) -> None:
        site = Site(store)
        cookies = [await signed_in(site, n=number) for number in range(MOST_CLAIMS + 2)]
        calls = calls_to(store)
        header = "; ".join(f"kick.sid={each}" for each in cookies)
        assert await data_of(site, header) == {"n": 0}
        assert calls == ["load"] * MOST_CLAIMS

    async def test_one_cookie_twice_is_one(self, store: Any) -> None:
        site = Site(store)
        one = await signed_in(site, n=1)
        calls = calls_to(store)
        assert await data_of(site, f"kick.sid={one}; theme=dark; kick.sid={one}") == {"n": 1}
        assert calls == ["load"]
        assert "ambiguous_cookie" not in site.events


class TestFormerNames:
    """`cookie={"replaces": ["old.sid"]}`"""

    def sites(self, store: Any) -> tuple[Site, Site]:
        return Site(store, cookie_name="old.sid"), Site(store, cookie=CookieOptions(replaces=["old.sid"]))

    async def old_cookie(self, before: Site, **values: Any) -> str:
        answer = await before.request(setting(**values))
        (line,) = answer.cookies
        return line.partition("; ")[0]

    async def test_a_session_of_the_former_name_goes_on_under_the_own_one(self, store: Any) -> None:
        before, after = self.sites(store)
        old = await self.old_cookie(before, n=1)
        answer = await after.request(lambda session: dict(session.data), cookie=old)
        assert answer.value == {"n": 1}
        own, removal = answer.cookies
        assert own.startswith("kick.sid=s:")
        assert removal.startswith("old.sid=; Max-Age=0")
        assert await data_of(after, own.partition("; ")[0]) == {"n": 1}

    async def test_the_own_name_comes_first(self, store: Any) -> None:
        before, after = self.sites(store)
        old, own = await self.old_cookie(before, n=1), await signed_in(after, n=2)
        answer = await after.request(lambda session: dict(session.data), cookie=f"{old}; kick.sid={own}")
        assert answer.value == {"n": 2}
        assert [each.partition(";")[0] for each in answer.cookies] == ["old.sid="]

    async def test_a_dead_one_is_removed(self, store: Any) -> None:
        _, after = self.sites(store)
        answer = await after.request(lambda session: None, cookie="old.sid=s:nothing.here")
        assert [each.partition(";")[0] for each in answer.cookies] == ["old.sid="]

    async def test_it_stays_as_long_as_the_own_one_is_not_sent(self, store: Any) -> None:
        before, after = self.sites(store)
        old = await self.old_cookie(before, n=1)
        answer = await after.request(setting(n=2), cookie=old, status=500)
        assert not any(each.startswith("old.sid=") for each in answer.cookies) or len(answer.cookies) == 2

    async def test_a_logout_removes_the_cookie_that_came(self, store: Any) -> None:
        before, after = self.sites(store)
        old = await self.old_cookie(before, n=1)
        answer = await after.request(lambda session: session.destroy(), cookie=old)
        assert [each.partition("=")[0] for each in answer.cookies] == ["old.sid"]
        assert await data_of(before, old) == {}

    async def test_a_cross_site_request_with_one_does_not_replace_the_own_cookie(self, store: Any) -> None:
        before, after = self.sites(store)
        planted = await self.old_cookie(before, attacker=1)
        cross = {"sec-fetch-site": "cross-site"}
        for cookie in (planted, "old.sid=s:nothing.here"):
            for act in (lambda session: None, setting(a=1)):
                answer = await after.request(act, cookie=cookie, method="POST", headers=cross)
                assert (answer.status, answer.cookies) == (200, [])

    async def test_a_request_that_has_lost_a_race_removes_none(self, store: Any) -> None:
        before, after = self.sites(store)
        old = await self.old_cookie(before, n=1)
        loser = await Paused(Fixed(after, old), lambda session: session.data["n"]).loaded()
        await after.request(lambda session: session.destroy(), cookie=old)
        answer = await loser.finish()
        assert (answer.status, answer.value, answer.cookies) == (200, 1, [])

    @pytest.mark.parametrize("replaces", ["old.sid", ["kick.sid"]])
    def test_what_makes_no_sense_stops_the_start(self, replaces: Any) -> None:
        with pytest.raises(Exception, match="replaces"):
            Site(None, cookie=CookieOptions(replaces=replaces))


async def test_a_long_header_of_forged_cookies_costs_no_store_call(store: Any) -> None:
    site = Site(store)
    calls = calls_to(store)
    header = "; ".join(f"kick.sid=s:{'a' * 36}.{number:043d}" for number in range(500))
    assert (await site.request(lambda session: dict(session.data), cookie=header)).value == {}
    assert calls == []


def test_many_valid_cookies_cost_as_much_as_many_forged_ones() -> None:
    """Anybody can collect cookies of sessions. Sorting 1,400 of them, 120 KB, took 0.2 seconds."""
    options = check_options("a secret of at least thirty-two bytes")
    ids = [generate_id() for _ in range(1400)]
    valid, forged = (
        [(b"cookie", "; ".join(f"kick.sid=s:{Signer(secret).sign(each)}" for each in ids).encode())]
        for secret in ("a secret of at least thirty-two bytes", "the secret of somebody else altogether")
    )
    assert [claim.session_id for claim in options.cookie.read(valid)] == ids[:4]
    assert options.cookie.read(forged) == ()
    assert_costs_at_most(4, lambda: options.cookie.read(valid), lambda: options.cookie.read(forged))

"""Parallel responses that arrive in another order than their requests finished, as browsers apply them.

Two to four requests have all loaded one session. They finish in every order, and their responses arrive in every order,
at one browser or at two that began with the same cookie. A model says what each `Set-Cookie` leads to; a browser keeps
the one that arrived last.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from kick.session import MemoryStore, Sessions
from kick.session.stores.custom import BasicStore
from tests.session.harness import Answer, Browser, Site
from tests.session.jar import Jar
from tests.session.test_interleavings import OPTIONS, REQUESTS, Live, Model, grown_old
from tests.session.test_parallel import paused

ACTS: dict[str, Callable[[Any], Any]] = {
    **REQUESTS,
    "remember": lambda session: session.remember(),
    "passive read": lambda session: session.data.get("user_id"),
    "passive write": lambda session: session.data.update(passive=True),
}
NAMES = [*ACTS, "revoke"]


class Leads(NamedTuple):
    """What the cookie of a response leads to, and whether it stays when the browser is closed."""

    live: Live | None
    is_of_the_login: bool = False
    """Of an id that a login has given the session, so no other login has given it up."""
    stays: bool = False


class BrowserModel(Model):
    """The model of the sessions, and of the cookie in each response. By default, cookies end with the browser."""

    def __init__(self, person: str, *, always_sends: bool) -> None:
        super().__init__(person, always_sends=always_sends)

    def respond(self, name: str) -> Leads | None:
        """Return what the cookie of the response to this request leads to; `None` if there is none."""
        if name == "passive read":
            return None
        _, cookie = self.finish({"remember": "rotate", "passive write": "rotate"}.get(name, name))
        if cookie == "none":
            return None
        if cookie == "removal":
            return Leads(None)
        assert self.opens is not None
        if name == "passive write":
            self.opens.data["passive"] = True
        return Leads(self.opens, is_of_the_login=self.given_up, stays=name == "remember")

    def opened_by(self, leads: Leads) -> Live | None:
        """Return the session that a cookie leads to when everything has finished."""
        if leads.live is self.first and self.given_up and not leads.is_of_the_login:
            return None  # nothing leads from the old id to that of the login
        return leads.live if leads.live in self.live else None


class Row:
    """Requests of one browser to one site, and the responses in the order in which they finished."""

    def __init__(self, store: Any, options: dict[str, Any]) -> None:
        self.site = Site(store, cookie={"persistent": False}, **options).showing_writes()
        self.person = uuid4().hex
        self.model = BrowserModel(self.person, always_sends="rotate_after" in options)
        self.answers: list[Answer] = []
        self.leads: list[Leads | None] = []

    async def finish(self, names: Sequence[str]) -> None:
        """Let all of them load the session, and then finish in this order."""
        sessions = Sessions(self.site.layer.manager)
        browser = Browser(self.site)
        self.first = await browser.visit(self._begin)
        await grown_old(self.site, browser)
        waiting = [
            await paused(
                browser.twin(),
                ACTS.get(name) or (lambda _: sessions.revoke(self.person)),
                path="/passive" if name.startswith("passive") else "/",
            )
            for name in names
        ]
        for name, request in zip(names, waiting, strict=True):
            self.answers.append(await request.finish())
            self.leads.append(self.model.respond(name))

    def arrived(self, order: Sequence[int]) -> tuple[Jar, Live | None, bool]:
        """Return the cookies of the browser when the responses have arrived in an order, and what they must lead to."""
        jar = Jar()
        jar.receive(self.first.cookies)
        last = Leads(self.model.first)
        for number in order:
            jar.receive(self.answers[number].cookies)
            last = self.leads[number] or last
        return jar, self.model.opened_by(last), last.stays

    def _begin(self, session: Any) -> None:
        session.data.update(user_id=7, secret=True)
        session.principal = self.person


async def check(store: Any, names: Sequence[str], options: dict[str, Any]) -> None:
    row = Row(store, options)
    await row.finish(names)
    look = Site(store)
    found: dict[str, Any] = {}
    for order in orders(len(names)):
        jar, opens, stays = row.arrived(order)
        what = f"{names} arrived as {[names[number] for number in order]}"
        if (header := jar.header()) is None:
            assert opens is None, what
            continue
        if header not in found:
            answer = await look.request(lambda session: (dict(session.data), session.principal), cookie=header)
            found[header] = answer.value
        assert found[header] == (({}, None) if opens is None else opens.form), what
        jar.close()
        assert (jar.header() is not None) == stays, what


def orders(count: int) -> Iterator[tuple[int, ...]]:
    """Yield every order in which a browser can get some of the responses; those that are left out go to the other one.

    >>> list(orders(2))
    [(), (0,), (1,), (0, 1), (1, 0)]
    """
    for some in range(count + 1):
        yield from itertools.permutations(range(count), some)


@pytest.mark.parametrize("options", OPTIONS)
async def test_whatever_arrives_last_the_browser_has_what_that_response_said(
    racing_store: Any, options: dict[str, Any]
) -> None:
    names = [name for name in NAMES if name != "revoke"] if isinstance(racing_store, BasicStore) else NAMES
    for pair in itertools.product(names, repeat=2):
        await check(racing_store, pair, options)


@pytest.mark.nightly
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("number", [3, 4])
async def test_of_several_responses_too(number: int, options: dict[str, Any]) -> None:
    for names in itertools.product(NAMES, repeat=number):
        await check(MemoryStore(), names, options)

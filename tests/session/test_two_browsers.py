"""Two browsers, each with a session of the same user: what a request of one does to the sessions of both.

Each browser sends one or two requests. All of them have loaded their session before the first finishes, and they finish
in every order. The model is that of one browser, twice: only "revoke" reaches beyond its own session.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest

from kick.session import MemoryStore, Sessions
from tests.session.harness import Browser, Site
from tests.session.test_interleavings import NAMES, OPTIONS, REQUESTS, Model, grown_old, hold_against, records
from tests.session.test_parallel import paused

Step = tuple[int, str]
"""The number of a browser, and what its request does."""


class Side:
    """A browser, the cookies that it was sent, and the model of its session."""

    def __init__(self, site: Site, person: str, *, always_sends: bool) -> None:
        self.browser = Browser(site)
        self.person = person
        self.model = Model(person, always_sends=always_sends)
        self.sent: set[str | None] = set()

    async def begin(self) -> None:
        def act(session: Any) -> None:
            session.data.update(user_id=7, secret=True)
            session.principal = self.person

        await self.browser.visit(act)
        self.sent = {self.browser.cookie}

    def receive(self, cookie: str | None) -> None:
        if cookie is not None:
            self.browser.cookie = cookie or None
            self.sent.add(cookie or None)


async def check_all(store: Any, every: Iterable[Sequence[Step]], options: dict[str, Any]) -> None:
    site = Site(store, **options).showing_writes()
    look = Site(store)  # nothing rotates while somebody looks
    for steps in every:
        await check(site, look, steps, always_sends="rotate_after" in options)


async def check(site: Site, look: Site, steps: Sequence[Step], *, always_sends: bool) -> None:
    """Let the requests load at once and finish in this order; hold answers and sessions against the model."""
    sessions = Sessions(site.layer.manager)
    stored = records(site.store)
    person = uuid4().hex
    sides = [Side(site, person, always_sends=always_sends) for _ in range(2)]
    for side in sides:
        await side.begin()
        await grown_old(site, side.browser)
    waiting = [
        await paused(sides[number].browser.twin(), REQUESTS.get(name) or (lambda _: sessions.revoke(person)))
        for number, name in steps
    ]
    for (number, name), request in zip(steps, waiting, strict=True):
        answer = await request.finish()
        cookie = {None: "none", "": "removal"}.get(answer.session_cookie, "id")
        if name == "revoke":
            other = sides[1 - number].model
            other.live = [each for each in other.live if each.principal != person]
        assert (answer.status, cookie) == sides[number].model.finish(name), (steps, number, name)
        sides[number].receive(answer.session_cookie)
    for side in sides:
        await hold_against(side.model, look, side.browser, side.sent)
    if stored is not None:
        assert records(site.store) == stored + sum(len(side.model.live) for side in sides), "and no other is stored"


def steps_of(each: int) -> Iterator[tuple[Step, ...]]:
    """Yield every order of so many requests of each browser, with everything that they can do.

    >>> sum(1 for _ in steps_of(1)) == 2 * len(NAMES) ** 2
    True
    """
    for browsers in sorted(set(itertools.permutations([0, 1] * each))):
        for names in itertools.product(NAMES, repeat=2 * each):
            yield tuple(zip(browsers, names, strict=True))


@pytest.mark.parametrize(
    "options", [*OPTIONS[:2], *(pytest.param(each, marks=pytest.mark.nightly) for each in OPTIONS[2:])]
)
async def test_a_request_ends_no_session_of_another_browser_unless_it_revokes_all(
    atomic_store: Any, options: dict[str, Any]
) -> None:
    await check_all(atomic_store, steps_of(1), options)


@pytest.mark.parametrize("options", OPTIONS[:2])
async def test_nor_do_some_of_four_requests(options: dict[str, Any]) -> None:
    await check_all(MemoryStore(), itertools.islice(steps_of(2), 0, None, 389), options)


@pytest.mark.nightly
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("part", range(60))
async def test_nor_do_any_four_requests(part: int, options: dict[str, Any]) -> None:
    await check_all(MemoryStore(), itertools.islice(steps_of(2), part, None, 60), options)

"""Several applications in one place: an application is told of others when it starts."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.applications import Starlette

from kick import Health, Module, bootstrap
from kick.session import MemoryStore, SessionMiddleware, session
from kick.session.stores.custom import BasicStore
from kick.session.stores.sqlite import SQLiteStore
from kick.signing import Signer
from kick.testing import TestClient
from tests.session.conftest import DictStore
from tests.session.harness import Page, Site
from tests.session.test_order import BrokenStore

OURS = "the secret of this application, 32 bytes"
FORMER = "a former secret of this application, 32"
THEIRS = "the secret of another application, 32 b"
THIRD = "the secret of a third application, 32 by"


def layer_of(store: Any, secret: Any, **options: Any) -> Any:
    return session(secret, store=store, save_uninitialized=False, **options)


async def started(store: Any, secret: Any, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Start an application over a store; return the warnings in its log."""
    caplog.clear()
    app = bootstrap([Module("page", controllers=[Page])], [layer_of(Kept(store), secret)])
    await live(app)
    return warnings_in(caplog)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        each.getMessage() for each in caplog.records if each.name == "kick.session" and each.levelno == logging.WARNING
    ]


async def live(app: Any) -> list[str]:
    """Send an application the events of its start and its end, as a server does; return what it says."""
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    said: list[str] = []

    async def receive() -> Any:
        return next(events)

    async def send(message: Any) -> None:
        said.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    return said


class Kept:
    """A store that its applications do not close."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def aclose(self) -> None:
        pass


class TestOverEveryStore:
    async def test_an_application_is_told_of_others_at_its_start(
        self, atomic_store: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert await started(atomic_store, OURS, caplog) == []
        assert await started(atomic_store, OURS, caplog) == []
        (told,) = await started(atomic_store, THEIRS, caplog)
        assert "[session-store-shared] 1 other application with other secrets keeps" in told
        assert "?prefix=shop:" in told
        (told,) = await started(atomic_store, OURS, caplog)
        assert "1 other application" in told
        (told,) = await started(atomic_store, THIRD, caplog)
        assert "2 other applications" in told

    async def test_a_secret_that_is_rotated_is_one_application(
        self, atomic_store: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        for secret in (FORMER, [OURS, FORMER], FORMER, OURS, [THIRD, OURS], THIRD):
            assert await started(atomic_store, secret, caplog) == []

    async def test_no_session_is_touched(self, atomic_store: Any, caplog: pytest.LogCaptureFixture) -> None:
        site = Site(atomic_store, secret=OURS)
        answer = await site.request(lambda session: session.data.update(a=1))
        await started(atomic_store, THEIRS, caplog)
        assert await atomic_store.purge() == 0
        found = await site.request(lambda session: session["a"], cookie=f"kick.sid={answer.session_cookie}")
        assert found.value == 1


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_an_application_that_does_not_start_again_is_forgotten(kind: str, tmp_path: Any) -> None:
    time = 1_800_000_000.0
    store: Any
    if kind == "memory":
        store = MemoryStore(clock=lambda: time)
    else:
        store = SQLiteStore(tmp_path / "sessions.db", clock=lambda: time)
    ours, theirs = frozenset({"aaaa"}), frozenset({"bbbb"})
    await store.recognize(theirs)
    time += 30 * 86_400 - 1
    assert set(await store.recognize(ours)) == {ours, theirs}
    time += 2
    assert set(await store.recognize(ours)) == {ours}
    await store.aclose()


class TestACustomStore:
    class Recognizing(DictStore):
        def __init__(self) -> None:
            super().__init__()
            self.seen: set[frozenset[str]] = set()

        async def recognize(self, secrets: frozenset[str], *, remember: bool = True) -> set[frozenset[str]]:
            self.seen |= {secrets} if remember else set()
            return self.seen

    async def test_it_needs_no_such_method(self, caplog: pytest.LogCaptureFixture) -> None:
        store = DictStore()
        for secret in (OURS, THEIRS):
            assert await started(BasicStore(store), secret, caplog) == []
        assert store.rows == {}

    async def test_it_may_have_one(self, caplog: pytest.LogCaptureFixture) -> None:
        store = self.Recognizing()
        assert await started(BasicStore(store), OURS, caplog) == []
        (told,) = await started(BasicStore(store), THEIRS, caplog)
        assert "1 other application" in told


class TestTheStart:
    async def test_two_layers_of_one_application_are_no_two_applications(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = MemoryStore()
        admin = Module("admin", controllers=[Page], middleware=[layer_of(store, THEIRS, cookie_name="admin.sid")])
        app = bootstrap([admin], [layer_of(store, OURS)])
        for _ in range(2):
            await live(app)
        assert warnings_in(caplog) == []
        assert len(await started(store, THIRD, caplog)) == 1

    async def test_session_middleware_tells_it_too(self, caplog: pytest.LogCaptureFixture) -> None:
        store = Kept(MemoryStore())
        for secret in (OURS, THEIRS):
            said = await live(SessionMiddleware(Starlette(), secret, store=store))
            assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        (told,) = warnings_in(caplog)
        assert "session-store-shared" in told

    async def test_a_store_that_is_down_stops_no_start(self, caplog: pytest.LogCaptureFixture) -> None:
        store = BrokenStore()
        store.broken = frozenset({"recognize"})
        site = Site(store)
        assert await live(site.app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert site.events == ["store_error"]

    async def test_no_request_asks(self) -> None:
        store = BrokenStore()
        store.broken = frozenset({"recognize"})
        site = Site(store)
        assert (await site.request(lambda session: session.data.update(a=1))).status == 200
        assert site.events == ["created"]


def test_a_fingerprint_says_nothing_about_the_secret() -> None:
    fingerprints = Signer([OURS, FORMER]).fingerprints
    assert fingerprints == Signer([FORMER, OURS]).fingerprints
    assert {len(each) for each in fingerprints} == {4}
    of_many = {each for n in range(2000) for each in Signer(f"secret number {n}, which is long enough").fingerprints}
    assert len(of_many) < 2000  # many secrets have the same, so a guess that fits is probably another one


class TestAReadinessThatWarns:
    class Warning(MemoryStore):
        async def review(self) -> Any:
            from kick.session.stores.redis.errors import evicting_redis

            return [evicting_redis("allkeys-lru")]

    def test_it_is_ready_and_says_so(self) -> None:
        app = bootstrap([Health(details=True)], [layer_of(self.Warning(), OURS)])
        with TestClient(app) as client:
            answer = client.get("/health/ready")
        assert answer.status_code == 200
        said = answer.json()
        assert said["status"] == "warn"
        (finding,) = said["checks"]["session store"]
        assert finding["status"] == "warn"
        assert "allkeys-lru" in finding["output"]

    def test_a_check_that_fails_comes_first(self) -> None:
        def broken() -> bool:
            return False

        app = bootstrap([Health(checks=[broken])], [layer_of(self.Warning(), OURS)])
        with TestClient(app) as client:
            answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()) == (503, {"status": "fail"})

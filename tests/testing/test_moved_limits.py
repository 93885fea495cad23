"""Rate limits and the access log under `travel()` and `freeze()`."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from kick import Controller, Get, Module, Post, Provider, RequestContext, Unauthorized, bootstrap
from kick.auth import LoginLimit
from kick.middleware import AccessLog, rate_limit
from kick.testing import TestClient, freeze, travel

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
LATER = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=0.09375)
"""Redis would round it up: Lua shows 14 digits."""


@Controller("/")
class Limited:
    @Get()
    async def index(self) -> str:
        return "yes"


@pytest.fixture(params=["sliding-window", "fixed-window", "moving-window"])
def strategy(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("redis_url") if request.param == "redis" else None


@pytest.fixture
def client(store: str | None, strategy: Any) -> Iterator[TestClient]:
    limit = rate_limit("2/hour", store=store, strategy=strategy, timeout=30, on_error="closed")
    with TestClient(bootstrap([Module("limited", controllers=[Limited])], [limit])) as client:
        yield client


def statuses(client: TestClient, requests: int) -> list[int]:
    return [client.get("/").status_code for _ in range(requests)]


def seconds_left(client: TestClient) -> int:
    found = re.search(r"t=(\d+)", client.get("/").headers["ratelimit"])
    assert found
    return int(found[1])


class TestTravel:
    def test_a_limit_holds_until_its_time_is_over(self, client: TestClient) -> None:
        assert statuses(client, 3) == [200, 200, 429]
        with travel(client, minutes=20):
            assert statuses(client, 1) == [429]
        with travel(client, hours=2):
            assert statuses(client, 3) == [200, 200, 429]

    def test_it_holds_for_requests_after_the_clock_was_moved(self, client: TestClient) -> None:
        with travel(client, days=400) as time:
            assert statuses(client, 3) == [200, 200, 429]
            time.move(minutes=20)
            assert statuses(client, 1) == [429]
            time.move(hours=2)
            assert statuses(client, 3) == [200, 200, 429]

    def test_each_move_counts_once(self, client: TestClient) -> None:
        assert statuses(client, 2) == [200, 200]
        for _ in range(3):
            with travel(client, minutes=25):
                assert statuses(client, 2) == [429, 429]

    def test_the_client_is_told_what_is_left_of_the_time(self, client: TestClient) -> None:
        assert statuses(client, 2) == [200, 200]
        with travel(client, minutes=30):
            assert 1500 < seconds_left(client) <= 1800


class TestFreeze:
    @pytest.mark.parametrize("at", [None, LONG_AGO])
    def test_a_limit_ends_at_its_second(self, client: TestClient, at: datetime | None) -> None:
        with freeze(client, at) as time:
            assert statuses(client, 3) == [200, 200, 429]
            time.move(minutes=59, seconds=59)
            assert statuses(client, 1) == [429]
            time.move(hours=1, seconds=1)
            assert statuses(client, 3) == [200, 200, 429]

    @pytest.mark.parametrize("at", [LONG_AGO, LATER])
    def test_what_is_left_stands_still_too(self, client: TestClient, at: datetime) -> None:
        with freeze(client, at) as time:
            client.get("/")
            assert {seconds_left(client) for _ in range(2)} <= {1800, 3600}  # two requests, of which each half leaves
            time.move(minutes=10)
            assert seconds_left(client) in (1200, 3000)


@pytest.mark.redis
def test_a_limit_in_redis_outlives_a_clock_that_stands_still(redis_url: str) -> None:
    limit = rate_limit("1/second", store=redis_url, strategy="fixed-window", timeout=30, on_error="closed")
    app = bootstrap([Module("limited", controllers=[Limited])], [limit])
    with TestClient(app) as client, freeze(client) as time, Redis.from_url(redis_url) as redis:
        assert statuses(client, 2) == [200, 429]
        assert all(left > 60_000 for left in lives(redis))  # the server waits no second
        time.move(seconds=1)
        assert statuses(client, 1) == [200]


@pytest.mark.redis
def test_nothing_is_left_in_redis_for_longer_than_a_limit_lasts(redis_url: str) -> None:
    limit = rate_limit("2/hour", store=redis_url, timeout=30, on_error="closed")
    app = bootstrap([Module("limited", controllers=[Limited])], [limit])
    with TestClient(app) as client, travel(client, days=400), Redis.from_url(redis_url) as redis:
        assert statuses(client, 3) == [200, 200, 429]
        assert all(0 < left <= 2 * 3_600_000 for left in lives(redis))


def lives(redis: Redis) -> list[int]:
    found = [redis.pttl(key) for key in redis.keys("*")]
    assert found
    return [int(each) for each in found]


@Controller("/login")
class Login:
    def __init__(self, limit: LoginLimit) -> None:
        self.limit = limit

    @Post("/{name}")
    async def log_in(self, ctx: RequestContext, name: str) -> None:
        async with self.limit.attempt(ctx, name):
            raise Unauthorized("The password is wrong.")


def test_guesses_of_a_password_are_forgotten_when_their_time_has_come(store: str | None) -> None:
    async def opened() -> AsyncIterator[LoginLimit]:
        limit = LoginLimit("2/hour", secret="a secret of thirty-two bytes or more", store=store, timeout=30)
        yield limit
        await limit.aclose()

    app = bootstrap([Module("login", controllers=[Login], providers=[Provider(LoginLimit, opened, scope="singleton")])])
    with TestClient(app) as client:
        assert [client.post("/login/ada").status_code for _ in range(3)] == [401, 401, 429]
        with travel(client, minutes=30):
            assert [client.post(f"/login/{name}").status_code for name in ("ada", "bob")] == [429, 401]
        with travel(client, hours=2, seconds=1):
            assert client.post("/login/ada").status_code == 401


class TestTheAccessLog:
    def test_its_lines_have_the_time_of_the_request(self) -> None:
        written: list[str] = []
        app = bootstrap([Module("limited", controllers=[Limited])], access_log=AccessLog("json", write=written.append))
        with TestClient(app) as client:
            with freeze(client, datetime(2030, 12, 24, 18, tzinfo=UTC)) as time:
                client.get("/")
                time.move(seconds=90)
                client.get("/")
            with travel(client, days=2):
                client.get("/")
            client.get("/")
        times = [json.loads(line)["time"] for line in "".join(written).splitlines()]
        assert times[:2] == ["2030-12-24T18:00:00.000+00:00", "2030-12-24T18:01:30.000+00:00"]
        ahead = datetime.fromisoformat(times[2]) - datetime.fromisoformat(times[3])
        assert 1.9 < ahead.total_seconds() / 86_400 <= 2

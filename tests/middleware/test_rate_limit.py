"""Limits in applications: who is counted with whom, what clients are told, and what happens when the store is down."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx2
import pytest
from limits.aio.storage import MemoryStorage
from redis import Redis
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kick import App, Controller, Get, Post, RequestContext, Socket, Use, WebSocket
from kick.errors import KickError
from kick.http import Conflict
from kick.middleware import cors, rate_limit
from kick.middleware.rate_limit.clients import network_of
from kick.middleware.rate_limit.counters import MemoryCounters
from kick.middleware.rate_limit.options import STRATEGIES
from kick.session import session
from tests.http.support import app_of, ask
from tests.support.ids import without_address
from tests.support.ports import HOST, bound_socket
from tests.support.redis import RedisServer
from tests.support.serving import Serve
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"
HERE = ("198.51.100.1", 1)
FROM_HERE = {"client": HERE}


def limited(*layers: Any, **options: Any) -> App:
    """An application with a limit around `/a`, and another around `/b`."""

    @Controller()
    class PlainController:
        @Get("/a")
        @Use(*layers)
        async def a(self) -> str:
            return "a"

        @Get("/b")
        @Use(*layers)
        async def b(self) -> str:
            return "b"

        @Get("/free")
        async def free(self) -> str:
            return "free"

    return app_of(PlainController, **options)


def still() -> MemoryCounters:
    """Counters for which no time passes, however long a test takes."""
    return MemoryCounters(clock=lambda: 5.0)


async def statuses(app: App, *targets: str, **options: Any) -> list[int]:
    return [(await ask(app, target, **options)).status for target in targets]


# What clients are told


async def test_a_response_says_how_much_is_left() -> None:
    app = limited(rate_limit("5/hour", store=still()))
    answer = await ask(app, "/a")
    assert answer.header("ratelimit-policy") == '"5/hour";q=5;w=3600'
    assert answer.header("ratelimit") == '"5/hour";r=4;t=3600'
    assert answer.header("retry-after") is None
    assert (await ask(app, "/a")).header("ratelimit") == '"5/hour";r=3;t=3600'


async def test_one_too_many_is_a_429_that_says_when_to_come_back() -> None:
    app = limited(rate_limit("2/hour", store=still()))
    assert await statuses(app, "/a", "/a") == [200, 200]
    answer = await ask(app, "/a")
    assert answer.status == 429
    assert answer.json()["title"] == "Too Many Requests"
    assert answer.json()["detail"] == "Too many requests. Try again in 3600 s."
    assert answer.header("retry-after") == "3600"
    assert answer.header("ratelimit") == '"2/hour";r=0;t=3600'
    assert answer.header("ratelimit-policy") == '"2/hour";q=2;w=3600'


async def test_it_is_so_over_a_socket_for_head_too(serve: Serve) -> None:
    with serve(limited(middleware=[rate_limit("3/hour")])) as url, httpx2.Client() as client:
        assert client.head(f"{url}/a").status_code == 200
        assert client.get(f"{url}/a").headers["ratelimit"].startswith('"3/hour";r=1;t=')
        assert client.head(f"{url}/nowhere").status_code == 404
        refused = client.head(f"{url}/a")
        assert (refused.status_code, refused.content) == (429, b"")
        assert int(refused.headers["retry-after"]) in range(3590, 3601)


async def test_a_window_that_has_just_begun_has_all_its_time_before_it() -> None:
    store = still()
    for strategy in STRATEGIES:
        app = limited(rate_limit("1/hour", store=store, strategy=strategy))
        assert [(await ask(app, "/a")).header("ratelimit") for _ in range(2)] == ['"1/hour";r=0;t=3600'] * 2


async def test_several_limits_hold_at_once() -> None:
    app = limited(rate_limit("2/minute; 3 per 2 hours"))
    answer = await ask(app, "/a")
    assert answer.header("ratelimit-policy") == '"2/minute";q=2;w=60, "3/2 hours";q=3;w=7200'
    assert re.fullmatch(r'"2/minute";r=1;t=\d+, "3/2 hours";r=2;t=\d+', answer.header("ratelimit") or "")
    assert await statuses(app, "/a", "/a") == [200, 429]


async def test_a_limit_around_all_and_one_around_the_route_are_both_told() -> None:
    app = limited(rate_limit("5/hour"), rate_limit("1/minute"), middleware=[rate_limit("9/hour")])
    answer = await ask(app, "/a")
    assert sorted(answer.all("ratelimit-policy")) == [
        '"1/minute";q=1;w=60',
        '"5/hour";q=5;w=3600',
        '"9/hour";q=9;w=3600',
    ]
    refused = await ask(app, "/a")
    assert refused.status == 429
    told = ", ".join(refused.all("ratelimit"))
    assert re.fullmatch(r'"1/minute";r=0;t=\d+, "5/hour";r=3;t=\d+, "9/hour";r=7;t=\d+', told)
    assert refused.header("retry-after") in {str(seconds) for seconds in range(1, 61)}


async def test_errors_of_the_handler_carry_the_headers() -> None:
    @Controller("/x")
    @Use(rate_limit("9/hour", store=still()))
    class XController:
        @Get("/known")
        async def known(self) -> None:
            raise Conflict("no")

        @Get("/unknown")
        async def unknown(self) -> None:
            raise LookupError

        @Post("/body")
        async def body(self, body: int) -> None: ...

    app = app_of(XController)
    answers = [
        await ask(app, "/x/known"),
        await ask(app, "/x/unknown"),
        await ask(app, "/x/body", method="POST", json="a"),
    ]
    assert [answer.status for answer in answers] == [409, 500, 422]
    assert [answer.header("ratelimit") for answer in answers] == ['"9/hour";r=8;t=3600'] * 3


# Who is counted with whom


async def test_each_route_counts_by_itself() -> None:
    limit = rate_limit("1/hour")
    assert await statuses(limited(limit), "/a", "/b", "/a", "/b", "/free", "/free") == [200, 200, 429, 429, 200, 200]


def test_a_socket_and_a_page_at_one_path_count_apart(serve: Serve) -> None:
    limit = rate_limit("1/hour")

    @Controller("/chat")
    @Use(limit)
    class ChatController:
        @Get()
        async def page(self) -> str:
            return "page"

        @WebSocket()
        async def socket(self, socket: Socket) -> None:
            await socket.accept()

    with serve(app_of(ChatController)) as url:
        address = f"{url.replace('http', 'ws')}/chat"
        assert httpx2.get(f"{url}/chat").status_code == 200
        with connect(address):
            pass
        assert httpx2.get(f"{url}/chat").status_code == 429
        with pytest.raises(InvalidStatus) as refused, connect(address):
            pass
        assert refused.value.response.status_code == 429


async def test_two_applications_do_not_share_a_limit() -> None:
    limit = rate_limit("1/hour")
    assert await statuses(limited(limit), "/a", "/a") == [200, 429]
    assert await statuses(limited(limit), "/a", "/a") == [200, 429]


async def test_limits_of_one_name_share_their_counters() -> None:
    app = limited(rate_limit("2/hour", name="both"))
    assert str((await ask(app, "/a")).header("ratelimit")).startswith('"both 2/hour";r=1;t=')
    assert await statuses(app, "/b", "/b", "/a") == [200, 429, 429]


async def test_a_limit_around_the_application_counts_all_of_it_and_what_is_not_there() -> None:
    app = limited(middleware=[rate_limit("3/hour")])
    assert await statuses(app, "/a", "/nowhere", "/b", "/a", "/nowhere") == [200, 404, 200, 429, 429]


async def test_two_limits_around_the_application_count_apart() -> None:
    limits = [rate_limit("3/hour"), rate_limit("3/hour", key=lambda ctx: "everybody")]
    app = limited(middleware=limits)
    assert [(await statuses(app, "/a", client=(f"198.51.100.{number}", 1)))[0] for number in range(4)] == [
        200,
        200,
        200,
        429,
    ]


async def test_addresses_are_counted_apart_but_not_those_of_one_network() -> None:
    app = limited(rate_limit("1/hour"))
    clients = ["192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"]
    found = [(await statuses(app, "/a", client=(address, 1)))[0] for address in clients]
    assert found == [200, 200, 429, 200, 429, 200]
    assert await statuses(app, "/a", client=("::ffff:192.0.2.1", 1)) == [429]


async def test_clients_of_whom_nothing_is_known_are_counted_together() -> None:
    assert await statuses(limited(rate_limit("2/hour")), "/a", "/a", "/a", client=None) == [200, 200, 429]


@pytest.mark.parametrize(
    "address", ["", ":", "a:b", "::1%", "1:2:3:4:5:6:7:8:9", "\udcff:", "2001:db8::1%" + "x" * 5000]
)
async def test_an_address_that_is_none_is_counted_as_it_is(address: str) -> None:
    network_of(address)
    assert await statuses(limited(rate_limit("1/hour")), "/a", "/a", client=(address, 1)) == [200, 429]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_function_says_whose_request_it_is(is_async: bool) -> None:
    def api_key(ctx: RequestContext) -> str | None:
        return ctx.headers.get("x-api-key")

    async def api_key_later(ctx: RequestContext) -> str | None:
        return api_key(ctx)

    app = limited(rate_limit("1/hour", key=api_key_later if is_async else api_key))
    for key in ("a", "b", "a/b", "a" * 5000, "\xff\x00{}*"):
        assert await statuses(app, "/a", "/a", headers={"x-api-key": key}) == [200, 429]
    assert await statuses(app, "/a", "/a", "/a") == [200, 200, 200]


async def test_users_are_counted_by_their_principal_and_the_others_by_address() -> None:
    @Controller("/x")
    class XController:
        @Post("/login/{name}")
        async def login(self, ctx: RequestContext, name: str) -> None:
            await ctx.session.regenerate()
            ctx.session.principal = name

        @Get()
        @Use(rate_limit("2/hour", key="principal"))
        async def show(self) -> str:
            return "x"

    app = app_of(XController, middleware=[session(SECRET, cookie={"secure": False})])
    cookies: dict[str, str] = {}
    for name in ("ada", "bob"):
        answer = await ask(app, f"/x/login/{name}", method="POST")
        cookies[name] = (answer.header("set-cookie") or "").partition(";")[0]
    assert await statuses(app, "/x", "/x", "/x", headers={"cookie": cookies["ada"]}) == [200, 200, 429]
    assert await statuses(app, "/x", headers={"cookie": cookies["ada"]}, **FROM_HERE) == [429]
    assert await statuses(app, "/x", "/x", "/x", headers={"cookie": cookies["bob"]}) == [200, 200, 429]
    assert await statuses(app, "/x", "/x", "/x") == [200, 200, 429]


async def test_a_request_may_cost_more_or_nothing() -> None:
    async def cost(ctx: RequestContext) -> int:
        return int(ctx.query.get("n", "1"))

    app = limited(rate_limit("10/hour", cost=cost))
    assert await statuses(app, "/a?n=6", "/a?n=-9", "/a?n=5", "/a?n=4", "/a?n=1", "/a?n=0") == [
        200,
        200,
        429,
        200,
        429,
        200,
    ]
    assert await statuses(limited(rate_limit("10/hour", cost=5)), "/a", "/a", "/a") == [200, 200, 429]


@pytest.mark.parametrize("strategy", ["sliding-window", "fixed-window", "moving-window"])
async def test_requests_at_the_same_time_are_counted_each(strategy: Any) -> None:
    app = limited(rate_limit("20/hour", strategy=strategy))
    answers = await asyncio.gather(*(ask(app, "/a") for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [200] * 20 + [429] * 30


# The store


@pytest.mark.parametrize("strategy", ["sliding-window", "fixed-window", "moving-window"])
async def test_in_redis_processes_count_together_and_routes_do_not(redis_url: str, strategy: Any) -> None:
    first, second = (limited(rate_limit("5/hour", store=redis_url, strategy=strategy, timeout=30)) for _ in range(2))
    answers = await asyncio.gather(*(ask(app, "/a") for app in (first, second) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200] * 5 + [429] * 5
    assert {answer.header("retry-after") for answer in answers} <= {None, *(str(3600 - late) for late in range(60))}
    assert await statuses(first, "/b") == [200]
    assert re.fullmatch(r'"5/hour";r=3;t=3[56]\d\d', str((await ask(second, "/b")).header("ratelimit")))
    for app in (first, second):
        await app.aclose()


async def test_a_storage_of_the_library_is_taken_as_it_is() -> None:
    storage = MemoryStorage()
    first, second = (limited(rate_limit("1/hour", store=storage)) for _ in range(2))
    assert await statuses(first, "/a") + await statuses(second, "/a") == [200, 429]


@pytest.mark.parametrize(("on_error", "status"), [("open", 200), ("closed", 503)])
async def test_when_the_store_is_down_the_policy_holds_and_the_log_has_one_entry(
    on_error: Any, status: int, redis_server: RedisServer, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = limited(rate_limit("2/hour", store=redis_url, on_error=on_error, timeout=30))
    assert await statuses(app, "/a") == [200]
    redis_server.kill()
    answers = [await ask(app, "/a") for _ in range(2)]
    assert [answer.status for answer in answers] == [status] * 2
    assert {answer.header("ratelimit") for answer in answers} == {None}
    assert {answer.header("retry-after") for answer in answers} == {None if status == 200 else "1"}
    assert await statuses(app, "/a") == [429 if on_error == "open" else 503], "meanwhile the process counts alone"
    (record,) = [record for record in caplog.records if "rate_limit" in record.getMessage()]
    assert record.levelname == "ERROR"
    redis_server.start()
    redis_server.flush()
    assert await statuses(app, "/a", "/a", "/a") == [200, 200, 429]
    assert caplog.records[-1].getMessage() == "the store of rate_limit() works again"
    await app.aclose()


@pytest.mark.parametrize(("on_error", "status"), [("open", 200), ("closed", 503)])
async def test_a_store_that_hangs_is_not_waited_for(on_error: Any, status: int) -> None:
    with bound_socket() as sock:
        sock.listen()
        url = f"redis://{HOST}:{sock.getsockname()[1]}"
        app = limited(rate_limit("2/hour", store=url, on_error=on_error, timeout=0.05))
        async with asyncio.timeout(60):
            assert await statuses(app, "/a", "/a") == [status, status]
        await app.aclose()


@pytest.mark.parametrize("strategy", ["sliding-window", "fixed-window", "moving-window"])
async def test_a_burst_of_one_client_does_not_switch_the_limit_off(redis_url: str, strategy: Any) -> None:
    """More requests at once than Redis answers within the time limit."""
    app = limited(rate_limit("10/hour", store=redis_url, strategy=strategy, timeout=0.05))
    answers = await asyncio.gather(*(ask(app, "/a") for _ in range(400)))
    assert 10 <= [answer.status for answer in answers].count(200) <= 20, "in Redis, and in this process"
    assert {answer.status for answer in answers} == {200, 429}
    await app.aclose()


async def test_a_burst_waits_for_connections(redis_url: str) -> None:
    app = limited(rate_limit("10/hour", store=redis_url, timeout=60, on_error="closed"))
    answers = await asyncio.gather(*(ask(app, "/a") for _ in range(300)))
    assert sorted(answer.status for answer in answers) == [200] * 10 + [429] * 290
    await app.aclose()


async def test_replies_that_came_too_late_are_no_replies_to_others(redis_url: str) -> None:
    app = limited(rate_limit("50/hour", store=redis_url, timeout=2))
    with Redis.from_url(redis_url) as redis:
        assert await statuses(app, "/a", "/b") == [200, 200]
        redis.client_pause(60_000, all=False)  # what writes waits, scripts included
        late = await asyncio.gather(*(ask(app, path) for path in ["/a", "/b"] * 5))
        assert {answer.header("ratelimit") for answer in late} == {None}
        redis.client_unpause()
    async with asyncio.timeout(60):
        while (await ask(app, "/a")).header("ratelimit") is None:
            pass
    for path in ("/a", "/b"):
        told = [str((await ask(app, path)).header("ratelimit")) for _ in range(5)]
        left = [int(each.split("r=")[1].split(";")[0]) for each in told]
        assert left == [*range(left[0], left[0] - 5, -1)]
    await app.aclose()


async def test_limits_share_the_connections_of_one_store(redis_url: str) -> None:
    app = limited(
        rate_limit("9/hour", store=redis_url, timeout=30),
        middleware=[rate_limit("9/hour", store=redis_url, timeout=30)],
    )
    assert await statuses(app, "/a", "/b") == [200, 200]
    assert len([key for key in app.settings.shared if key.startswith("rate_limit redis://")]) == 1
    await app.aclose()


# Mistakes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "many",
        "5",
        "5/fortnight",
        "0/minute",
        "5/0 minutes",
        "1000000000000000/day",
        "5 per 00 days",
        "5 per 0 minutes x",
        "-1/minute",
        "5/minute;",
        "9" * 300,
        5,
    ],
)
def test_what_is_no_limit_stops_the_start(text: Any) -> None:
    with raises_code("rate-limit") as caught:
        rate_limit(text)
    assert 'rate_limit("100/minute")' in caught.value.fix


@pytest.mark.parametrize(
    "options",
    [
        {"key": "session"},
        {"key": 5},
        {"name": 'a"b'},
        {"name": ""},
        {"strategy": "leaky-bucket"},
        {"on_error": "ignore"},
        {"timeout": 0},
        {"timeout": True},
        {"cost": 0},
        {"cost": 6},
        {"cost": True},
        {"store": "mongodb://host"},
        {"store": object()},
    ],
    ids=without_address,
)
def test_an_option_that_makes_no_sense_stops_the_start(options: Any) -> None:
    with raises_code("rate-limit-option") as caught:
        rate_limit("5/minute", **options)
    code = re.findall(r"`([^`]+)`", caught.value.fix)[0]
    assert eval(code, {"rate_limit": rate_limit})


def test_the_password_of_a_store_is_in_no_message() -> None:
    with raises_code("rate-limit-option") as caught:
        rate_limit("5/minute", store="mongodb://user:hunter2@host")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [rate_limit("5/minute"), cors(allow_origins=["*"])],
        lambda: [rate_limit("5/minute", key="principal"), session(SECRET)],
        lambda: [rate_limit("5/minute", key="principal")],
    ],
)
def test_a_place_where_it_cannot_work_stops_the_start(layers: Any) -> None:
    with pytest.raises(KickError, match="middleware-order"):
        limited(middleware=layers())


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "limits", None)
    with raises_code("missing-extra", match=r"kick-framework\[limits\]"):
        rate_limit("5/minute")


# Behind a proxy that nobody has named


@pytest.mark.parametrize("header", [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")])
async def test_a_proxy_that_is_not_trusted_is_told_of_once_when_its_clients_are_refused_as_one(
    header: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    app = limited(rate_limit("1/hour", store=still()))
    assert [(await ask(app, "/a", headers=[header], client=HERE)).status for _ in range(3)] == [
        200,
        429,
        429,
    ]
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "198.51.100.1" in warning
    assert "KICK_TRUSTED_PROXIES" in warning


async def test_a_trusted_proxy_and_a_client_without_one_are_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    behind = limited(rate_limit("1/hour", store=still()), trusted_proxies=1)
    forwarded = [("x-forwarded-for", "203.0.113.9")]
    assert [(await ask(behind, "/a", headers=forwarded, client=HERE)).status for _ in range(2)] == [
        200,
        429,
    ]
    assert await statuses(limited(rate_limit("1/hour", store=still())), "/a", "/a", client=HERE) == [
        200,
        429,
    ]
    assert caplog.records == []

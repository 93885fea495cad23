"""Start-up and shutdown of modules and mounted applications: in order, in reverse, and by name."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from kick import App, Module, bootstrap
from kick.lifecycle import parts_of
from kick.signing import missing_secret
from tests.test_app import Lifespan

Life = Callable[[Any], AbstractAsyncContextManager[None]]


def traced(trail: list[str], name: str, *, fails: str = "") -> Life:
    """A lifespan that writes down what happens; what is after its `yield` is in no `finally`."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        if fails == "startup":
            raise LookupError(f"{name} is not there")
        trail.append(f"{name} begins")
        yield
        if fails == "shutdown":
            raise LookupError(f"{name} does not end")
        trail.append(f"{name} ends")

    return lifespan


def module(name: str, lifespan: Life | None = None, **mounts: Any) -> Module:
    """A module with mounted applications."""
    made = Module(name, lifespan=lifespan)
    made.mounts = {f"/{path}": app for path, app in mounts.items()}  # type: ignore[attr-defined]
    return made


class Mounted:
    """A mount, as far as lifespans go."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.state: dict[str, Any] = {}


def starlette(trail: list[str], name: str, **options: Any) -> Starlette:
    return Starlette(lifespan=traced(trail, name, **options))


async def failing(app: App) -> tuple[Lifespan, BaseException]:
    lifespan = Lifespan(app)
    with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is for the test to say
        await lifespan.run()
    return lifespan, caught.value


async def test_modules_and_what_they_mount_start_in_order_and_end_in_reverse() -> None:
    trail: list[str] = []
    app = bootstrap(
        [
            module("one", traced(trail, "one"), old=starlette(trail, "old")),
            module("none"),
            module("two", traced(trail, "two"), new=starlette(trail, "new")),
        ],
        lifespan=traced(trail, "application"),
    )
    for _ in range(2):
        trail.clear()
        lifespan = await Lifespan(app).run()
        assert [message["type"] for message in lifespan.sent] == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]
        names = ["one", "old", "two", "new", "application"]
        assert trail == [f"{name} begins" for name in names] + [f"{name} ends" for name in reversed(names)]


async def test_an_application_that_is_mounted_twice_starts_once() -> None:
    trail: list[str] = []
    shared = starlette(trail, "shared")
    await Lifespan(bootstrap([module("one", here=shared, there=shared), module("two", elsewhere=shared)])).run()
    assert trail == ["shared begins", "shared ends"]


async def test_the_lifespan_of_a_module_is_called_with_the_application() -> None:
    seen: list[Any] = []

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        seen.append(app)
        yield

    app = bootstrap([Module("one", lifespan=lifespan)])
    await Lifespan(app).run()
    assert seen == [app]


async def test_the_mounts_of_one_application_have_its_state() -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, int]]:
        yield {"pool": 7}

    shared = Starlette(lifespan=lifespan)
    mounts = [Mounted(shared), Mounted(shared)]
    (part,) = parts_of([module("one", here=shared, there=shared)], None, mounts)
    for _ in range(2):
        async with part.lifespan(bootstrap([])):
            assert [mount.state for mount in mounts] == [{"pool": 7}, {"pool": 7}]
            mounts[0].state["left"] = True


@pytest.mark.parametrize("kind", ["returns", "raises"])
async def test_a_mounted_application_that_knows_no_lifespan_is_left_alone(kind: str) -> None:
    async def old(scope: Scope, receive: Receive, send: Send) -> None:
        if kind == "raises":
            raise RuntimeError("http only")

    lifespan = await Lifespan(bootstrap([module("one", old=old)])).run()
    assert lifespan.sent[-1]["type"] == "lifespan.shutdown.complete"


async def test_a_module_that_fails_to_start_is_named_and_what_had_started_is_unwound() -> None:
    trail: list[str] = []
    lifespan, error = await failing(
        bootstrap(
            [
                module("one", traced(trail, "one"), old=starlette(trail, "old")),
                module("two", traced(trail, "two", fails="startup")),
                module("three", traced(trail, "three")),
            ]
        )
    )
    assert isinstance(error, LookupError)
    (message,) = lifespan.sent
    assert message["type"] == "lifespan.startup.failed"
    assert "LookupError: two is not there" in message["message"]
    assert "kick: in the start-up of the lifespan of Module('two')" in message["message"]
    assert trail == ["one begins", "old begins", "old ends", "one ends"]


async def test_a_mounted_application_that_fails_to_start_is_named_and_what_had_started_is_unwound() -> None:
    trail: list[str] = []
    lifespan, _ = await failing(
        bootstrap([module("one", traced(trail, "one"), old=starlette(trail, "old", fails="startup"))])
    )
    (message,) = lifespan.sent
    assert message["type"] == "lifespan.startup.failed"
    assert "The startup of the application that Module('one') mounts at /old failed." in message["message"]
    assert "old is not there" in message["message"]
    assert trail == ["one begins", "one ends"]


@pytest.mark.parametrize("broken", ["one", "old"])
async def test_what_fails_to_end_is_named_and_the_others_end(broken: str) -> None:
    trail: list[str] = []
    fails = {broken: "shutdown"}
    lifespan, _ = await failing(
        bootstrap(
            [
                module("zero", traced(trail, "zero")),
                module(
                    "one",
                    traced(trail, "one", fails=fails.get("one", "")),
                    old=starlette(trail, "old", fails=fails.get("old", "")),
                ),
            ],
            lifespan=traced(trail, "application"),
        )
    )
    assert [message["type"] for message in lifespan.sent] == ["lifespan.startup.complete", "lifespan.shutdown.failed"]
    assert "Module('one')" in lifespan.sent[-1]["message"]
    assert f"{broken} does not end" in lifespan.sent[-1]["message"]
    ended = [each.removesuffix(" ends") for each in trail if each.endswith(" ends")]
    assert ended == [name for name in ("application", "old", "one", "zero") if name != broken]


async def test_the_lifespan_of_the_application_is_named_too() -> None:
    lifespan, _ = await failing(bootstrap([], lifespan=traced([], "application", fails="startup")))
    assert "kick: in the start-up of the lifespan of bootstrap()" in lifespan.sent[0]["message"]


async def test_a_mistake_in_set_up_that_is_found_in_a_lifespan_is_told_without_a_trace_and_with_the_name() -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        raise missing_secret("billing")
        yield

    served, error = await failing(bootstrap([Module("billing", lifespan=lifespan)]))
    assert served.sent[0]["message"] == f"{error}\nkick: in the start-up of the lifespan of Module('billing')"


# Stopping


async def test_the_application_is_about_to_stop_when_the_server_says_so_and_not_after_a_new_start() -> None:
    app = bootstrap([])
    waited: list[bool] = []

    async def during() -> None:
        waited.append(app.stopping.is_set)

    for _ in range(2):
        await Lifespan(app).run(during)
        assert app.stopping.is_set
    assert waited == [False, False]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_signal_that_stops_the_server_is_heard_first_and_handed_on(number: signal.Signals) -> None:
    app = bootstrap([])
    heard: list[tuple[int, bool]] = []

    def server(received: int, frame: Any) -> None:
        heard.append((received, app.stopping.is_set))

    before = signal.signal(number, server)
    try:

        async def during() -> None:
            signal.raise_signal(number)
            with anyio.fail_after(60):
                await app.stopping.wait()

        await Lifespan(app).run(during)
        assert heard == [(number, True)]
        assert signal.getsignal(number) is server
    finally:
        signal.signal(number, before)


async def test_a_signal_that_nobody_listens_to_is_left_as_it_is() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        during: list[Any] = []

        async def look() -> None:
            during.append(signal.getsignal(signal.SIGTERM))

        await Lifespan(bootstrap([])).run(look)
        assert during == [signal.SIG_IGN]
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_outside_of_the_main_thread_signals_are_not_touched() -> None:
    app = bootstrap([])
    before = signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []

    async def look() -> None:
        seen.append(signal.getsignal(signal.SIGTERM))

    await anyio.to_thread.run_sync(lambda: anyio.run(Lifespan(app).run, look))
    assert seen == [before]

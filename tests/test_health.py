"""`Health()`: alive, ready, and what is asked; each check within its time, and no word to strangers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from kick import App, Controller, Get, Module, Provider, RequestContext, bootstrap
from kick.di import Container
from kick.errors import SetupErrors
from kick.health import Health
from kick.session import session
from kick.session.stores.memory import MemoryStore
from tests.http.support import ask
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"


class Database:
    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.asked = 0

    async def ping(self) -> None:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
def database() -> Database:
    return Database()


def app_with(*providers: Any, middleware: Any = (), **options: Any) -> App:
    return bootstrap([Health(**options)], middleware, providers=providers)


async def ready(app: App) -> tuple[int, Any]:
    answer = await ask(app, "/health/ready")
    assert answer.header("content-type") == "application/health+json"
    assert answer.header("cache-control") == "no-store"
    return answer.status, answer.json()


async def statuses(app: App) -> dict[str, str]:
    """The status of each check, where details are told."""
    _, said = await ready(app)
    return {name: finding["status"] for name, (finding,) in said["checks"].items()}


async def test_an_application_without_checks_is_alive_and_ready() -> None:
    app = app_with()
    assert await ready(app) == (200, {"status": "pass"})
    answer = await ask(app, "/health/live")
    assert (answer.status, answer.json()) == (200, {"status": "pass"})


async def test_a_provider_that_is_not_well_makes_it_not_ready_and_it_stays_alive(database: Database) -> None:
    app = app_with(Provider(Database, value=database, health=Database.ping))
    assert await ready(app) == (200, {"status": "pass"})
    database.trouble = ConnectionRefusedError("db.internal:5432 with the password hunter2")
    assert await ready(app) == (503, {"status": "fail"})
    asked = database.asked
    assert (await ask(app, "/health/live")).status == 200
    assert database.asked == asked
    database.trouble = None
    assert await ready(app) == (200, {"status": "pass"})


async def test_strangers_learn_no_details_and_the_log_has_them_once(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_with(Provider(Database, value=database, health=Database.ping))
    database.trouble = ConnectionRefusedError("nobody listens")
    for _ in range(3):
        assert await ready(app) == (503, {"status": "fail"})
    assert [record.getMessage() for record in caplog.records] == [
        "Database fails its health check: ConnectionRefusedError: nobody listens"
    ]
    database.trouble = None
    await ready(app)
    assert caplog.records[-1].getMessage() == "Database passes its health check again"


async def test_details_are_told_where_they_are_asked_for(database: Database) -> None:
    database.trouble = ConnectionRefusedError("nobody listens")
    app = app_with(Provider(Database, value=database, health=Database.ping), details=True)
    status, said = await ready(app)
    assert status == 503
    ((finding,),) = said["checks"].values()
    assert finding.pop("observedValue") >= 0
    assert finding == {"status": "fail", "observedUnit": "ms", "output": "ConnectionRefusedError: nobody listens"}


async def test_functions_are_checked_sync_and_async_ones() -> None:
    async def well() -> None: ...

    async def says_no() -> bool:
        return False

    def sync() -> bool:
        return threading.current_thread() is not threading.main_thread()

    def raises() -> None:
        raise OSError("disk is full")

    app = app_with(checks=[well, says_no, sync, raises], details=True)
    assert await statuses(app) == {"well": "pass", "says_no": "fail", "sync": "pass", "raises": "fail"}


async def test_the_health_of_a_provider_may_be_sync_and_checks_of_one_name_are_told_apart() -> None:
    def ping() -> None: ...

    app = app_with(
        Provider(int, value=1, health=lambda number: number > 0),
        Provider(int, value=-1, health=lambda number: number > 0),
        checks=[ping, ping],
        details=True,
    )
    assert await statuses(app) == {"int": "pass", "int 2": "fail", "ping": "pass", "ping 2": "pass"}


async def test_each_check_has_its_time_and_they_are_asked_together() -> None:
    steps: list[str] = []

    async def hangs() -> None:
        steps.append("begins")
        try:
            await anyio.sleep_forever()
        finally:
            steps.append("is ended")

    async def hangs_too() -> None:
        await hangs()

    async def well() -> None: ...

    app = app_with(checks=[hangs, hangs_too, well], timeout=0.5, details=True)
    assert await statuses(app) == {"hangs": "fail", "hangs_too": "fail", "well": "pass"}
    assert steps == ["begins", "begins", "is ended", "is ended"]
    _, said = await ready(app)
    assert said["checks"]["hangs"][0]["output"] == "It took longer than 0.5 s."


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


async def test_a_check_that_hangs_in_its_thread_is_not_asked_again_until_it_has_answered(gate: threading.Event) -> None:
    asked: list[int] = []

    def hangs() -> None:
        asked.append(1)
        gate.wait(60)

    app = app_with(checks=[hangs], timeout=0.05, details=True)

    async def output() -> str:
        return str((await ready(app))[1]["checks"]["hangs"][0]["output"])

    while not asked:  # a thread may take longer than the time to begin
        assert await output() == "It took longer than 0.05 s."
    for _ in range(2):
        assert await output() == "TimeoutError: It has not answered the last time yet."
    assert asked == [1]
    gate.set()
    with anyio.fail_after(60):
        while await statuses(app) != {"hangs": "pass"}:
            await anyio.lowlevel.checkpoint()


async def test_all_who_look_at_the_same_time_share_one_check(gate: threading.Event) -> None:
    """Anybody may look: a hundred requests at once were a hundred queries at once."""
    asked: list[int] = []
    fetched = 0

    def slow() -> None:
        asked.append(1)
        gate.wait(60)

    async def fetch() -> None:
        nonlocal fetched
        fetched += 1

    app = app_with(checks=[slow, fetch], timeout=60)
    answers: list[int] = []

    async def look() -> None:
        answers.append((await ready(app))[0])

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(look)
        with anyio.fail_after(60):
            while not asked:
                await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert answers == [200] * 100
    assert (len(asked), fetched) == (1, 1)
    assert await ready(app) == (200, {"status": "pass"})
    assert fetched == 2


async def test_a_check_whose_request_is_cancelled_is_run_by_one_that_waits() -> None:
    begun = 0
    opened = anyio.Event()

    async def waits() -> None:
        nonlocal begun
        begun += 1
        await opened.wait()

    app = app_with(checks=[waits], timeout=60)
    answers: list[int] = []
    first = anyio.CancelScope()

    async def look(scope: anyio.CancelScope) -> None:
        with scope:
            answers.append((await ready(app))[0])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look, first)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(look, anyio.CancelScope())
        tasks.start_soon(look, anyio.CancelScope())
        await anyio.wait_all_tasks_blocked()
        assert begun == 1
        first.cancel()
        with anyio.fail_after(60):
            while begun < 2:
                await anyio.lowlevel.checkpoint()
        opened.set()
    assert answers == [200, 200]


async def test_it_is_not_ready_when_it_is_about_to_stop_and_nothing_is_asked(database: Database) -> None:
    app = app_with(Provider(Database, value=database, health=Database.ping))
    app.begin_shutdown()
    assert await ready(app) == (503, {"status": "fail", "output": "The application is about to stop."})
    assert database.asked == 0
    assert (await ask(app, "/health/live")).status == 200


class Store(MemoryStore):
    trouble: Exception | None = None
    loads = 0

    async def load(self, key: str) -> Any:
        self.loads += 1
        if self.trouble is not None:
            raise self.trouble
        return await super().load(key)


async def test_the_store_of_the_sessions_is_asked_and_no_session_begins() -> None:
    store = Store()
    app = app_with(middleware=[session(secret=SECRET, store=store)], details=True)
    assert await statuses(app) == {"session store": "pass"}
    assert store.loads == 1
    store.trouble = ConnectionRefusedError("nobody listens")
    assert await statuses(app) == {"session store": "fail"}
    answer = await ask(app, "/health/live")
    assert answer.all("set-cookie") == []
    assert store.loads == 2


async def test_what_is_put_in_the_place_of_a_provider_is_asked_in_its_own_way(database: Database) -> None:
    app = app_with(Provider(Database, value=database, health=Database.ping), details=True)
    assert await statuses(app) == {"Database": "pass"}
    with app.override(Database, Database()):
        assert await statuses(app) == {}
    other = Database()
    other.trouble = OSError("no")
    with app.override(Database, Provider(Database, lambda: other, health=Database.ping)):
        assert await statuses(app) == {"Database": "fail"}
    assert await statuses(app) == {"Database": "pass"}


async def test_its_addresses_can_be_elsewhere() -> None:
    app = app_with(prefix="/internal")
    assert [(await ask(app, target)).status for target in ("/internal/ready", "/health/ready")] == [200, 404]


def test_what_cannot_be_asked_is_found_at_the_start() -> None:
    with raises_code("health-check"):
        Health(checks=[True])  # type: ignore[list-item]
    with raises_code("health-timeout"):
        Health(timeout=0)
    with pytest.raises(SetupErrors):
        Health(checks=["x"], timeout=-1)  # type: ignore[list-item]
    with raises_code("di-health"):
        Provider(int, value=1, health="ping")  # type: ignore[call-overload]


def test_the_health_of_what_lives_shorter_than_the_application_is_a_mistake() -> None:
    async def of_request(ctx: RequestContext) -> Database:
        return Database()

    async def ping(database: Database) -> None: ...

    @Controller()
    class Uses:
        @Get()
        async def get(self, database: Database) -> None: ...

    of_request.__annotations__.update({"ctx": RequestContext, "return": Database})
    Uses.get.__annotations__["database"] = Database
    with raises_code("di-health-scope") as caught:
        bootstrap([Module("uses", controllers=[Uses])], providers=[Provider(Database, of_request, health=ping)])
    assert "has the scope 'request'" in caught.value.cause
    assert "test_health.py" in caught.value.cause
    (problem,) = Container([Provider(Database, scope="transient", health=ping)]).check()
    assert problem.fix.startswith('Leave it out: `Provider(Database, Database, scope="transient")`.')

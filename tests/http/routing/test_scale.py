"""Large applications: they start quickly, and a path is found as quickly as in small ones."""

import gc
import sys
from types import ModuleType
from typing import Any

import pytest

from kick import App, Controller, Get, KickError, Module, RequestContext, bootstrap
from kick.session import session
from tests.http.support import ask
from tests.support.costs import assert_awaiting_costs_at_most, assert_costs_at_most

FEATURE = """
class Repository{n}:
    def __init__(self) -> None:
        self.rows = {{}}

class Reader{n}:
    def __init__(self, repository: Repository{n}) -> None:
        self.repository = repository

class Body{n}(msgspec.Struct):
    title: str
    tags: list[str] = []

@Controller("/feature{n}")
class Controller{n}:
    def __init__(self, repository: Repository{n}) -> None:
        self.repository = repository

    @Get("/")
    async def index(self, reader: Reader{n}) -> list[int]:
        return []

    @Get("/{{item_id}}")
    async def show(self, ctx: RequestContext, item_id: int) -> int:
        return item_id

    @Post("/", status=201)
    async def create(self, body: Body{n}, reader: Reader{n}) -> Body{n}:
        return body

    @Delete("/{{item_id}}/tags/{{tag}}")
    async def remove(self, item_id: int, tag: str) -> None:
        return None

module{n} = Module("feature{n}", controllers=[Controller{n}], providers=[Repository{n}, Reader{n}])
"""

IMPORTS = """
from __future__ import annotations
import msgspec
from kick import Controller, Delete, Get, Module, Post, RequestContext
"""


def features(count: int, monkeypatch: pytest.MonkeyPatch) -> list[Module]:
    """The modules of an application of so many features, each with a controller, two services and four routes."""
    source = ModuleType(f"features_{count}")
    monkeypatch.setitem(sys.modules, source.__name__, source)
    code = IMPORTS + "".join(FEATURE.format(n=n) for n in range(count))
    exec(compile(code, f"{source.__name__}.py", "exec", dont_inherit=True), source.__dict__)
    return [getattr(source, f"module{n}") for n in range(count)]


def of_routes(count: int) -> App:
    """An application of so many routes: half of them static, half with a parameter, ten in a controller."""

    async def index(self: Any, ctx: RequestContext) -> str:
        return ctx.path

    async def show(self: Any, ctx: RequestContext, item: int) -> int:
        return item

    def controller(number: int) -> type:
        members = {f"static{n}": Get(f"/static{n}")(_copy(index)) for n in range(5)}
        members |= {f"item{n}": Get(f"/{{item}}/part{n}")(_copy(show)) for n in range(5)}
        return Controller(f"/c{number}")(type(f"C{number}", (), members))

    return bootstrap([Module("all", controllers=[controller(number) for number in range(count // 10)])])


def _copy(function: Any) -> Any:
    copy = type(function)(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    copy.__annotations__ = dict(function.__annotations__)
    return copy


def tenth_of_a_second() -> None:
    """Compute for about so long: what a start takes is counted in it, so that it does not depend on the machine."""
    found: dict[int, str] = {}
    for number in range(1_000_000):
        found[number % 1000] = str(number)


def steps_of(app: App, method: str, path: str) -> int:
    """How many functions are called to find what answers."""
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": []}
    calls = 0

    def count(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        app.find(scope, None, None)  # type: ignore[arg-type]  # pyright: ignore
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.nightly
def test_10_000_routes_start_in_under_two_seconds() -> None:
    assert_costs_at_most(20, lambda: of_routes(10_000), tenth_of_a_second)


def test_a_path_is_found_in_as_many_steps_among_10_000_routes_as_among_100() -> None:
    small, large = of_routes(100), of_routes(10_000)
    assert (len(small.routes), len(large.routes)) == (100, 10_000)
    for path in ("/c7/static3", "/c7/12/part4", "/c7/x/part4", "/c7/nothing", "/nothing", "/c7/12/part4/"):
        assert steps_of(small, "GET", path) == steps_of(large, "GET", path), path
    assert steps_of(small, "PUT", "/c7/12/part4") == steps_of(large, "PUT", "/c7/12/part4")
    assert steps_of(large, "GET", "/c999/static4") == steps_of(large, "GET", "/c0/static0")
    assert steps_of(large, "GET", "/c0/static0") < steps_of(large, "GET", "/c0/1/part0")


def test_garbage_is_collected_again_after_the_start() -> None:
    with pytest.raises(KickError):
        bootstrap([Module("bad", controllers=[int])])
    assert gc.isenabled()
    gc.disable()
    try:
        bootstrap([])
        assert not gc.isenabled()
    finally:
        gc.enable()


async def test_500_controllers_with_their_services_start_in_under_a_second_and_a_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    modules, layer = features(500, monkeypatch), session(secret="a secret of at least thirty-two bytes")
    apps: list[App] = []

    async def start() -> None:
        apps.append(bootstrap(modules, [layer]))
        await apps[-1].start()

    async def base() -> None:
        tenth_of_a_second()

    await assert_awaiting_costs_at_most(15, start, base)
    assert len(apps[-1].routes) == 2000
    assert (await ask(apps[-1], "/feature499/7")).json() == 7


def test_the_time_to_start_grows_with_the_number_of_controllers_and_not_with_its_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few, many = features(100, monkeypatch), features(800, monkeypatch)
    assert_costs_at_most(20, lambda: bootstrap(many), lambda: bootstrap(few))

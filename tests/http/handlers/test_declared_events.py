"""What a handler declares holds for its event streams and for contexts that it has not taken itself."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from typing import Annotated, Any, Optional

import msgspec
import pytest

from kick import Controller, Get, RequestContext, Service
from kick.http import ServerSentEvent
from kick.http.handlers.response_types import InvalidResponse
from tests.http.support import app_of, ask


class Public(msgspec.Struct):
    name: str


class Account(Public):
    password: str = "secret"


class Other(msgspec.Struct):
    number: int


ADA = Account("Ada")
SENT = b'data: {"name":"Ada"}\n\n'

DECLARED = [
    Public,
    list[Public],
    Iterable[Public],
    Iterator[Public],
    AsyncIterator[Public],
    AsyncGenerator[Public, None],
    Annotated[AsyncIterator[Public], 1],
    AsyncIterator[Public] | None,
    Optional[AsyncIterator[Public]],  # noqa: UP045  # the older form is tested
    AsyncIterator[Public] | Public,
    AsyncIterator[Public] | Other,
    AsyncIterator[Public | Other],
    Public | None,
    Public | Other,
]


@pytest.mark.parametrize("declared", DECLARED, ids=str)
@pytest.mark.parametrize("way", ["response=", "annotation"])
async def test_events_have_only_what_is_declared(declared: Any, way: str) -> None:
    async def show(self: Any, ctx: RequestContext) -> Any:
        async def events() -> AsyncIterator[Any]:
            yield ADA
            yield ServerSentEvent(data=ADA)

        return ctx.sse(events())

    if way == "annotation":
        show.__annotations__["return"] = declared
    route = Get("/", response=declared) if way == "response=" else Get("/")
    site = Controller("")(type("Site", (), {"show": route(show)}))
    answer = await ask(app_of(site), "/")
    assert (answer.status, answer.body) == (200, SENT * 2)


async def test_an_event_of_another_type_is_not_sent() -> None:
    @Controller("")
    class Site:
        @Get("/", response=Public)
        async def show(self, ctx: RequestContext) -> Any:
            async def events() -> AsyncIterator[Any]:
                yield Other(1)

            return ctx.sse(events())

    with pytest.raises(InvalidResponse, match="expected Public, got"):
        await ask(app_of(Site), "/")


@pytest.mark.parametrize("declared", [AsyncIterator[ServerSentEvent], AsyncIterator[Any], None])
async def test_where_nothing_is_said_of_the_data_all_is_sent(declared: Any) -> None:
    @Controller("")
    class Site:
        @Get("/", response=declared)
        async def show(self, ctx: RequestContext) -> Any:
            async def events() -> AsyncIterator[Any]:
                yield ServerSentEvent(data=ADA)

            return ctx.sse(events())

    assert (await ask(app_of(Site), "/")).body == b'data: {"name":"Ada","password":"secret"}\n\n'


# A context of the controller, or of what is injected


@Service(scope="request")
class Helper:
    def __init__(self, ctx: RequestContext) -> None:
        self.ctx = ctx

    def answer(self) -> Any:
        return self.ctx.json(ADA)

    def stream(self) -> Any:
        async def events() -> AsyncIterator[Any]:
            yield ADA

        return self.ctx.sse(events())


@Controller("/own")
class Own:
    def __init__(self, ctx: RequestContext) -> None:
        self.ctx = ctx

    @Get("/", response=Public)
    async def show(self) -> Any:
        return self.ctx.json(ADA)

    @Get("/sync", response=Public)
    def show_in_a_thread(self) -> Any:
        return self.ctx.json(ADA)

    @Get("/stream", response=AsyncIterator[Public])
    async def stream(self) -> Any:
        return Helper(self.ctx).stream()


@Controller("/helped")
class Helped:
    @Get("/", response=Public)
    async def show(self, helper: Helper) -> Any:
        return helper.answer()

    @Get("/keyword", response=Public)
    async def show_by_name(self, *, helper: Helper) -> Any:
        return helper.answer()

    @Get("/stream", response=AsyncIterator[Public])
    async def stream(self, helper: Helper) -> Any:
        return helper.stream()


@Controller("/both")
class Both:
    def __init__(self, helper: Helper) -> None:
        self.helper = helper

    @Get("/{number}", response=Public)
    async def show(self, number: int) -> Any:
        return self.helper.answer()


@pytest.mark.parametrize(
    "path", ["/own", "/own/sync", "/own/stream", "/helped", "/helped/keyword", "/helped/stream", "/both/1"]
)
async def test_whoever_has_the_context_the_promise_of_the_handler_holds(path: str) -> None:
    answer = await ask(app_of(Own, Helped, Both), path)
    assert (answer.status, answer.body) == (200, SENT if path.endswith("stream") else b'{"name":"Ada"}')

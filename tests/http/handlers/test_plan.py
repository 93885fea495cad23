"""What the parameters of a handler are filled with."""

from __future__ import annotations

import enum
import functools
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType
from uuid import UUID

import msgspec
import pytest

from kick import Controller, Get, Post, Provider, RequestContext, Service, Unauthorized
from kick.errors import SetupErrors
from kick.session import Sessions, session
from tests.http.support import app_of, ask

if TYPE_CHECKING:
    from decimal import Context as OnlyForTypeCheckers


class Note(msgspec.Struct):
    title: str
    stars: int = 0


class Page(msgspec.Struct):
    page: int = 1


class NotProvided: ...


class User: ...


class Tenant(str): ...


class Plugin:
    def __init__(self, name: str) -> None:
        self.name = name


@Service()
class Clock:
    def now(self) -> str:
        return "noon"


@Service(scope="request")
class Basket:
    def __init__(self, ctx: RequestContext) -> None:
        self.path = ctx.path


async def test_every_source_in_one_handler_in_any_order() -> None:
    @Controller("/shops/{shop}")
    class Shops:
        @Post("/{item}")
        async def post(
            self, clock: Clock, item: int, body: Note, basket: Basket, query: Page, ctx: RequestContext, shop: str
        ) -> Any:
            return [clock.now(), item, body.title, basket.path, query.page, ctx.method, shop]

    answer = await ask(app_of(Shops), "/shops/corner/3?page=2", method="POST", json={"title": "tea"})
    assert answer.json() == ["noon", 3, "tea", "/shops/corner/3", 2, "POST", "corner"]


async def test_keyword_only_and_positional_only_parameters() -> None:
    @Controller()
    class Kinds:
        @Get("/plain/{a}/{b}")
        async def plain(self, ctx: RequestContext, /, b: int, *, a: int, clock: Clock) -> Any:
            return [ctx.method, a, b, clock.now()]

        @Get("/scoped/{a}/{b}")
        async def scoped(self, b: int, /, ctx: RequestContext, basket: Basket, *, a: int) -> Any:
            return [ctx.method, a, b, basket.path]

        @Post("/body/{a}")
        async def read(self, ctx: RequestContext, *, body: Note, a: int) -> Any:
            return [a, body.title]

    app = app_of(Kinds)
    assert (await ask(app, "/plain/1/2")).json() == ["GET", 1, 2, "noon"]
    assert (await ask(app, "/scoped/1/2")).json() == ["GET", 1, 2, "/scoped/1/2"]
    assert (await ask(app, "/body/1", method="POST", json={"title": "x"})).json() == [1, "x"]


async def test_a_parameter_that_nothing_fills_keeps_its_default_and_its_place() -> None:
    @Controller()
    class Defaults:
        @Get("/{n}")
        async def show(self, missing: NotProvided | None = None, untyped=7, n: int = 0, *, last: Any = "z") -> Any:
            return [missing, untyped, n, last]

    assert (await ask(app_of(Defaults), "/5")).json() == [None, 7, 5, "z"]


async def test_untyped_names_of_the_path_are_texts_and_ctx_needs_no_hint() -> None:
    @Controller()
    class Untyped:
        @Get("/{name}")
        async def show(self, ctx, name):
            return [ctx.method, name]

    assert (await ask(app_of(Untyped), "/7")).json() == ["GET", "7"]


async def test_what_is_provided_is_preferred_over_a_default() -> None:
    @Controller()
    class Preferring:
        def __init__(self, level: Annotated[int, "level"]) -> None:
            self.level = level

        @Get()
        async def show(self, clock: Clock | None = None, word: Annotated[str, "word"] = "default") -> Any:
            return [self.level, clock is not None and clock.now(), word]

    app = app_of(
        Preferring,
        providers=[Provider(Annotated[int, "level"], value=3), Provider(Annotated[str, "word"], value="provided")],
    )
    assert (await ask(app, "/")).json() == [3, "noon", "provided"]


async def test_optional_and_list_dependencies() -> None:
    @Controller()
    class Asking:
        @Get()
        async def show(self, nobody: NotProvided | None, plugins: list[Plugin]) -> Any:
            return [nobody, [plugin.name for plugin in plugins]]

    app = app_of(Asking, providers=[Plugin("a"), Plugin("b")])
    assert (await ask(app, "/")).json() == [None, ["a", "b"]]


async def test_sessions_are_injected() -> None:
    @Controller()
    class Devices:
        @Get()
        async def index(self, sessions: Sessions) -> Any:
            return type(sessions).__name__

    app = app_of(Devices, middleware=[session(secret="a secret of at least thirty-two bytes")])
    assert (await ask(app, "/")).json() == "Sessions"


def recorded(trail: list[str]) -> Callable[..., AsyncIterator[Basket]]:
    async def open_basket(ctx: RequestContext) -> AsyncIterator[Basket]:
        trail.append("open")
        try:
            yield Basket(ctx)
        except ValueError:
            trail.append("rolled back")
            raise
        finally:
            trail.append("closed")

    return open_basket


async def test_what_a_request_had_is_cleaned_up_before_a_plain_response_leaves() -> None:
    trail: list[str] = []

    @Controller()
    class Baskets:
        @Get("/plain")
        async def plain(self, basket: Basket) -> Any:
            trail.append("handler")
            return {}

        @Get("/failing")
        async def failing(self, basket: Basket) -> Any:
            raise ValueError("no")

    app = app_of(Baskets, providers=[Provider(Basket, recorded(trail), scope="request")])

    async def send_watch(target: str) -> int:
        answer = await ask(app, target)
        trail.append("sent")
        return answer.status

    assert await send_watch("/plain") == 200
    assert trail == ["open", "handler", "closed", "sent"]
    trail.clear()
    assert await send_watch("/failing") == 500
    assert trail == ["open", "rolled back", "closed", "sent"]


async def test_what_a_stream_needs_lives_until_its_last_byte() -> None:
    trail: list[str] = []

    @Controller()
    class Baskets:
        @Get("/stream")
        async def stream(self, ctx: RequestContext, basket: Basket) -> Any:
            async def chunks() -> AsyncIterator[bytes]:
                for chunk in (b"a", b"b"):
                    trail.append(f"{chunk!r}")
                    yield chunk

            return ctx.stream(chunks())

        @Get("/breaking")
        async def breaking(self, ctx: RequestContext, basket: Basket) -> Any:
            async def chunks() -> AsyncIterator[bytes]:
                yield b"a"
                raise ValueError("in the middle")

            return ctx.stream(chunks())

    app = app_of(Baskets, providers=[Provider(Basket, recorded(trail), scope="request")])
    assert (await ask(app, "/stream")).body == b"ab"
    assert trail == ["open", "b'a'", "b'b'", "closed"]
    trail.clear()
    with pytest.raises(ValueError, match="in the middle"):
        await ask(app, "/breaking")
    assert trail == ["open", "rolled back", "closed"]


async def test_a_clean_up_that_fails_is_no_success() -> None:
    async def open_basket(ctx: RequestContext) -> AsyncIterator[Basket]:
        yield Basket(ctx)
        raise RuntimeError("the commit failed")

    @Controller()
    class Baskets:
        @Get()
        async def plain(self, basket: Basket) -> Any:
            return "committed"

    app = app_of(Baskets, providers=[Provider(Basket, open_basket, scope="request")])
    answer = await ask(app, "/")
    assert answer.status == 500
    assert b"committed" not in answer.body


async def test_a_provider_that_refuses_comes_before_validation() -> None:
    async def current_user(ctx: RequestContext) -> User:
        raise Unauthorized("Not logged in")

    @Controller()
    class Guarded:
        @Post()
        async def create(self, body: Note, user: User) -> None: ...

    app = app_of(Guarded, providers=[Provider(User, current_user, scope="request")])
    assert (await ask(app, "/", method="POST", json={"wrong": 1})).status == 401


async def test_a_provider_may_read_the_body() -> None:
    async def tenant(ctx: RequestContext) -> Tenant:
        await ctx.read()
        return Tenant(ctx.body["tenant"])

    @Controller()
    class Tenants:
        @Post()
        async def create(self, tenant: Tenant) -> Any:
            return tenant

    app = app_of(Tenants, providers=[Provider(Tenant, tenant, scope="request")])
    assert (await ask(app, "/", method="POST", json={"tenant": "acme"})).json() == "acme"


async def test_sync_handlers_run_in_a_thread() -> None:
    @Controller()
    class Blocking:
        @Get("/{n}")
        def show(self, n: int, ctx: RequestContext, *, clock: Clock) -> Any:
            return [n, clock.now(), threading.current_thread() is threading.main_thread()]

        @Post()
        def post(self, body: Note, basket: Basket) -> Any:
            return [body.title, basket.path]

    app = app_of(Blocking)
    assert (await ask(app, "/4")).json() == [4, "noon", False]
    assert (await ask(app, "/", method="POST", json={"title": "t"})).json() == ["t", "/"]


async def test_a_decorator_of_another_kind_may_stand_between() -> None:
    def logged(handler: Any) -> Any:
        @functools.wraps(handler)
        def call(*args: Any, **kwargs: Any) -> Any:
            return handler(*args, **kwargs)

        return call

    @Controller()
    class Wrapped:
        @Get("/{n}")
        @logged
        async def show(self, n: int) -> Any:
            return n

    assert (await ask(app_of(Wrapped), "/4")).json() == 4


# Mistakes


class Colour(enum.Enum):
    RED = "red"


UserId = NewType("UserId", int)


@dataclass
class Options:
    page: int = 1


@dataclass
class Mailer:
    clock: Clock


@pytest.mark.parametrize(
    ("hint", "code"),
    [
        *[
            (hint, "handler-scalar")
            for hint in (
                str, int, float, bool, bytes, UUID, datetime, date, Decimal, Colour, UserId, Literal["a"], int | None,
                str | None, list[int], list, set[str], tuple[int, ...], Annotated[int, msgspec.Meta(ge=1)],
            )
        ],
        *[
            (hint, "handler-data")
            for hint in (Note, Note | None, Options, list[Note], list[Options] | None, dict, dict[str, int], Annotated[
                Note, msgspec.Meta()
            ])
        ],
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("default", [(), (None,)], ids=["no default", "default"])
def test_what_no_container_provides_is_refused_with_a_default_and_without(
    hint: Any, code: str, default: tuple[Any, ...]
) -> None:
    async def show(self, thing): ...

    show.__annotations__["thing"] = hint
    show.__defaults__ = default
    (problem,) = problems_of(Controller()(type("Refused", (), {"show": Get()(show)})))
    assert problem.code == code


async def test_what_is_provided_may_have_any_type() -> None:
    @Controller()
    class Provided:
        @Get()
        async def show(self, options: Options, user_id: UserId, mailer: Mailer | None = None, n: int = 1) -> Any:
            return [options.page, user_id, mailer, n]

    providers = [Provider(Options, value=Options(3)), Provider(UserId, value=UserId(7)), Provider(int, value=9)]
    assert (await ask(app_of(Provided, providers=providers), "/")).json() == [3, 7, None, 9]


def test_a_dataclass_with_services_is_one_itself() -> None:
    @Controller()
    class Mails:
        @Get()
        async def show(self, mailer: Mailer) -> None: ...

    (problem,) = problems_of(Mails)
    assert problem.code == "di-missing-provider"


@pytest.mark.parametrize("hint", [int, str, list[int], tuple[int, int], set[str], bool | None])
def test_a_query_has_names(hint: Any) -> None:
    async def show(self, query): ...

    show.__annotations__["query"] = hint
    (problem,) = problems_of(Controller()(type("Refused", (), {"show": Get()(show)})))
    assert problem.code == "handler-type"


def test_an_unreadable_type_of_a_path_parameter_is_one_mistake() -> None:
    @Controller()
    class Unreadable:
        @Get("/{thing}")
        async def show(self, thing: OnlyForTypeCheckers) -> None: ...

    (problem,) = problems_of(Unreadable)
    assert problem.code == "di-unresolved-hint"


@pytest.mark.parametrize("parameters", ["*args", "**options", "ctx, *args"])
def test_what_takes_anything_is_refused(parameters: str) -> None:
    names: dict[str, Any] = {}
    exec(f"async def show(self, {parameters}): ...", names)
    (problem,) = problems_of(Controller()(type("Taking", (), {"show": Get()(names["show"])})))
    assert problem.code == "handler-kind"


def problems_of(*controllers: type) -> list[Any]:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        app_of(*controllers)
    error: Any = caught.value
    return list(error.problems) if isinstance(error, SetupErrors) else [error]


def test_a_name_for_type_checkers_only_stops_the_start_and_is_named() -> None:
    @Controller()
    class Checked:
        @Get()
        async def show(self, context: OnlyForTypeCheckers) -> None: ...

    (problem,) = problems_of(Checked)
    assert "'OnlyForTypeCheckers' is not defined" in problem.cause
    assert "Checked.show()" in problem.cause
    assert "from decimal import Context as OnlyForTypeCheckers" in problem.fix


def test_mistakes_in_signatures_are_reported_all_at_once() -> None:
    @Controller()
    class Bad:
        @Get("/a/{left_out}")
        async def unbound(self) -> None: ...

        @Post("/b")
        async def untyped(self, thing) -> None: ...

        @Post("/c")
        async def untyped_body(self, body=None) -> None: ...

        @Get("/d")
        async def scalar(self, page: int) -> None: ...

        @Post("/e")
        async def data(self, note: Note) -> None: ...

        @Get("/f")
        async def get_with_body(self, body: Note) -> None: ...

        @Post("/g", stream=True)
        async def streamed(self, body: Note) -> None: ...

        @Post("/h")
        async def unsupported(self, body: threading.Thread) -> None: ...

        @Get("/i")
        async def unsupported_query(self, query: Clock) -> None: ...

        @Get("/j")
        async def generator(self, ctx: RequestContext) -> Any:
            yield 1

        @Get("/k")
        def sync_generator(self, ctx: RequestContext) -> Any:
            yield 1

        @Get("/l")
        @staticmethod
        async def static(ctx: RequestContext) -> None: ...

        @classmethod
        @Get("/m")
        async def of_class(cls) -> None: ...

        @Get("/n")
        async def selfless() -> None: ...  # type: ignore[misc]

    assert sorted(problem.code for problem in problems_of(Bad)) == sorted(
        [
            "route-parameter",
            "handler-untyped",
            "handler-untyped",
            "handler-scalar",
            "handler-data",
            "handler-body",
            "handler-stream",
            "handler-type",
            "handler-type",
            *["handler-kind"] * 5,
        ]
    )


def test_a_handler_with_the_context_need_not_take_the_names_of_its_path() -> None:
    @Controller()
    class Taking:
        @Get("/{name}")
        async def show(self, ctx: RequestContext) -> Any:
            return ctx.params["name"]

    assert app_of(Taking).routes

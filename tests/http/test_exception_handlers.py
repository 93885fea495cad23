"""Exception handlers of an application, and the report of exceptions that nothing handles."""

import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import anyio
import pytest
from starlette.middleware import Middleware as ASGIMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kick import (
    Controller,
    Get,
    NotFound,
    Post,
    Provider,
    RequestContext,
    Response,
    Socket,
    Use,
    WebSocket,
    bootstrap,
)
from kick.http import CallNext
from kick.session import session
from tests.http.support import app_of, ask
from tests.support.setup_errors import raises_code


class ShopError(Exception):
    pass


class OutOfStock(ShopError):
    def __init__(self, item: str) -> None:
        super().__init__(f"{item} is out of stock")
        self.item = item


async def shop_error(ctx: RequestContext, error: ShopError) -> Response:
    return ctx.problem(409, str(error))


async def out_of_stock(ctx: RequestContext, error: OutOfStock) -> Response:
    return ctx.json({"missing": error.item}, status=410)


def broken_provider() -> float:
    raise OutOfStock("a provider")


async def refused(ctx: RequestContext, call_next: CallNext) -> Response:
    raise OutOfStock("middleware of a handler")


@Controller("/shop")
class ShopController:
    @Get("/exact")
    async def exact(self) -> None:
        raise OutOfStock("bread")

    @Get("/base")
    async def base(self) -> None:
        raise ShopError("closed")

    @Get("/sync")
    def sync(self) -> None:
        raise OutOfStock("milk")

    @Get("/provided")
    async def provided(self, number: float) -> None: ...

    @Get("/used")
    @Use(refused)
    async def used(self) -> None: ...

    @Get("/typed/{number}")
    async def typed(self, number: int) -> int:
        return number

    @Post("/body")
    async def body(self, body: dict[str, int]) -> dict[str, int]:
        return body

    @Get("/other")
    async def other(self) -> None:
        raise RuntimeError("a bug")

    @Get("/later")
    async def later(self, ctx: RequestContext) -> None:
        ctx.background(fail)
        raise OutOfStock("bread")

    @Get("/after")
    async def after(self, ctx: RequestContext) -> None:
        ctx.background(fail)

    @Get("/stream")
    async def stream(self, ctx: RequestContext) -> Response:
        return ctx.stream(broken_stream())


@Controller("/socket")
class SocketController:
    @WebSocket("/")
    async def open(self, socket: Socket) -> None:
        await socket.accept()
        raise RuntimeError("in a socket")


async def cleaned_up() -> AsyncIterator[complex]:
    yield 1j
    raise RuntimeError("in a clean-up")


@Controller("/held")
class HeldController:
    @Get("/")
    async def held(self, ctx: RequestContext, number: complex) -> Response:
        return ctx.stream([b"a"])


async def forgetful(ctx: RequestContext, error: Exception) -> None: ...


async def fail() -> None:
    raise RuntimeError("in the background")


async def broken_stream() -> AsyncIterator[bytes]:
    yield b"a"
    raise RuntimeError("in a stream")


HANDLERS: dict[Any, Any] = {ShopError: shop_error, OutOfStock: out_of_stock}


def shop(**options: Any) -> Any:
    return app_of(ShopController, providers=[Provider(float, broken_provider, scope="request")], **options)


class TestHandlers:
    @pytest.mark.parametrize("path", ["exact", "sync", "provided", "used"])
    async def test_the_nearest_class_answers_wherever_the_exception_arises(self, path: str) -> None:
        answer = await ask(shop(exception_handlers=HANDLERS), f"/shop/{path}")

        assert (answer.status, [*answer.json()]) == (410, ["missing"])

    async def test_a_class_answers_for_its_subclasses(self) -> None:
        app = shop(exception_handlers={ShopError: shop_error})

        assert (await ask(app, "/shop/base")).json()["detail"] == "closed"
        assert (await ask(app, "/shop/exact")).status == 409

    async def test_other_exceptions_stay_as_they_are(self) -> None:
        answer = await ask(shop(exception_handlers=HANDLERS), "/shop/other")

        assert (answer.status, "a bug" in answer.text) == (500, False)

    async def test_handlers_may_change_the_errors_of_the_framework(self) -> None:
        async def invalid(ctx: RequestContext, error: Any) -> Response:
            return ctx.json({"own": error.status}, status=error.status)

        from kick import HTTPError

        app = shop(exception_handlers={HTTPError: invalid})

        assert (await ask(app, "/nothing")).json() == {"own": 404}
        assert (await ask(app, "/shop/exact", method="PUT")).json() == {"own": 405}
        assert (await ask(app, "/shop/body", method="POST", json={"a": "x"})).json() == {"own": 422}
        assert (await ask(app, "/shop/typed/x")).json() == {"own": 404}

    async def test_middleware_of_the_application_sees_the_response(self) -> None:
        seen: list[int] = []

        async def watch(ctx: RequestContext, call_next: CallNext) -> Response:
            response = await call_next(ctx)
            seen.append(response.status_code)
            return response

        await ask(shop(exception_handlers=HANDLERS, middleware=[watch]), "/shop/exact")

        assert seen == [410]

    @pytest.mark.parametrize("layers", [1, 2])
    async def test_exceptions_of_the_applications_middleware_are_answered_too(self, layers: int) -> None:
        async def passing(ctx: RequestContext, call_next: CallNext) -> Response:
            return await call_next(ctx)

        middleware = [*[passing] * (layers - 1), refused]

        assert (await ask(shop(exception_handlers=HANDLERS, middleware=middleware), "/shop/base")).status == 410

    async def test_head_gets_no_body(self) -> None:
        answer = await ask(shop(exception_handlers=HANDLERS), "/shop/exact", method="HEAD")

        assert (answer.status, answer.body) == (410, b"")

    async def test_background_tasks_of_the_failed_handler_are_dropped(self, caplog: pytest.LogCaptureFixture) -> None:
        answer = await ask(shop(exception_handlers=HANDLERS), "/shop/later")

        assert (answer.status, caplog.records) == (410, [])

    async def test_a_handler_may_use_the_session(self) -> None:
        async def remember(ctx: RequestContext, error: OutOfStock) -> Response:
            ctx.session.data["missing"] = error.item
            return ctx.text("later", status=409)

        layer = session(secret="a secret of at least thirty-two bytes", save_uninitialized=False)
        answer = await ask(shop(exception_handlers={OutOfStock: remember}, middleware=[layer]), "/shop/used")

        assert answer.status == 409
        assert answer.header("set-cookie") is not None

    async def test_what_a_handler_raises_is_answered_itself(self) -> None:
        async def hide(ctx: RequestContext, error: Exception) -> Response:
            raise NotFound("nothing here")

        assert (await ask(shop(exception_handlers={OutOfStock: hide}), "/shop/exact")).status == 404

    async def test_a_handler_that_returns_no_response_is_a_500_that_names_it(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        handlers: Any = {OutOfStock: forgetful}
        answer = await ask(shop(exception_handlers=handlers), "/shop/exact")

        assert answer.status == 500
        assert "forgetful returned a NoneType" in caplog.text


class TestOnError:
    async def told(self, path: str, **options: Any) -> list[str]:
        told: list[str] = []
        app = shop(on_error=lambda ctx, error: told.append(f"{ctx.path}: {error}"), **options)
        with suppress(RuntimeError):  # the stream, which breaks off
            await ask(app, path)
        return told

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("other", "a bug"),
            ("exact", "bread is out of stock"),
            ("after", "in the background"),
            ("stream", "in a stream"),
        ],
    )
    async def test_it_is_told_of_each_unhandled_exception_once(self, path: str, message: str) -> None:
        assert await self.told(f"/shop/{path}") == [f"/shop/{path}: {message}"]

    @pytest.mark.parametrize("path", ["/shop/exact", "/nothing", "/shop/typed/x"])
    async def test_it_is_not_told_of_what_is_handled(self, path: str) -> None:
        assert await self.told(path, exception_handlers=HANDLERS) == []

    async def test_it_is_told_of_what_ends_a_websocket(self) -> None:
        told: list[str] = []
        sent: list[str] = []
        app = app_of(SocketController, on_error=lambda ctx, error: told.append(str(error)))
        scope = {"type": "websocket", "path": "/socket", "query_string": b"", "headers": [], "scheme": "ws"}
        messages = [{"type": "websocket.connect"}]

        async def receive() -> Message:
            if not messages:
                await anyio.sleep_forever()
            return messages.pop()

        async def send(message: Message) -> None:
            sent.append(message["type"])

        await app(scope, receive, send)

        assert (told, sent) == (["in a socket"], ["websocket.accept", "websocket.close"])

    async def test_it_is_told_of_a_clean_up_that_fails_after_a_stream(self) -> None:
        told: list[Exception] = []
        provider = Provider(complex, cleaned_up, scope="request")
        app = app_of(HeldController, providers=[provider], on_error=lambda ctx, error: told.append(error))
        with suppress(RuntimeError):
            await ask(app, "/held")

        assert "in a clean-up" in repr(told)
        assert len(told) == 1

    async def test_an_error_of_its_own_is_logged_and_changes_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        def broken(ctx: RequestContext, error: Exception) -> None:
            raise OSError("the tracker is down")

        with caplog.at_level(logging.ERROR):
            answer = await ask(shop(on_error=broken), "/shop/other")

        assert answer.status == 500
        assert "on_error failed" in caplog.text


class TestReraise:
    @staticmethod
    def watched(seen: list[str]) -> ASGIMiddleware:
        class Tracker:
            def __init__(self, app: ASGIApp) -> None:
                self.app = app

            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                try:
                    await self.app(scope, receive, send)
                except Exception as error:  # noqa: BLE001  # a tracker sees all
                    seen.append(str(error))

        return ASGIMiddleware(Tracker)

    @pytest.mark.parametrize(("wanted", "expected"), [(True, ["a bug"]), (False, [])])
    async def test_asgi_middleware_sees_the_exception_after_the_500(self, *, wanted: bool, expected: list[str]) -> None:
        seen: list[str] = []
        answer = await ask(shop(asgi_middleware=[self.watched(seen)], reraise_errors=wanted), "/shop/other")

        assert (answer.status, seen) == (500, expected)

    async def test_it_does_not_see_what_is_handled(self) -> None:
        seen: list[str] = []
        app = shop(asgi_middleware=[self.watched(seen)], reraise_errors=True, exception_handlers=HANDLERS)
        answer = await ask(app, "/shop/exact")

        assert (answer.status, seen) == (410, [])


class TestSetUp:
    @pytest.mark.parametrize(
        ("code", "options"),
        [
            ("exception-class", {"exception_handlers": {404: out_of_stock}}),
            ("exception-class", {"exception_handlers": {BaseException: out_of_stock}}),
            ("exception-class", {"exception_handlers": [out_of_stock]}),
            ("exception-handler", {"exception_handlers": {ShopError: print}}),
            ("exception-handler", {"exception_handlers": {ShopError: fail}}),
            ("on-error", {"on_error": out_of_stock}),
            ("on-error", {"on_error": lambda error: None}),
        ],
        ids=["status", "base-exception", "list", "sync", "no-arguments", "async-on-error", "one-argument"],
    )
    def test_mistakes_stop_the_start(self, code: str, options: dict[str, Any]) -> None:
        with raises_code(code):
            bootstrap([], **options)

"""Conditional requests (RFC 9110, section 13)."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from starlette.datastructures import Headers

from kick import App, Controller, Get, Put, RequestContext
from kick.http import conditional
from kick.http.response.etags import Outcome, evaluate
from tests.http.support import app_of, ask

SEND, NOT_MODIFIED, FAILED = Outcome.SEND, Outcome.NOT_MODIFIED, Outcome.FAILED
CHANGED = datetime(2026, 5, 17, 12, 0, 0, 500_000, tzinfo=UTC)
SAME, BEFORE, AFTER = (
    "Sun, 17 May 2026 12:00:00 GMT",
    "Sun, 17 May 2026 11:59:59 GMT",
    "Sun, 17 May 2026 12:00:01 GMT",
)


@pytest.mark.parametrize(
    ("method", "headers", "outcome"),
    [
        ("GET", {}, SEND),
        # If-None-Match: weak comparison
        ("GET", {"if-none-match": '"v7"'}, NOT_MODIFIED),
        ("GET", {"if-none-match": 'W/"v7"'}, NOT_MODIFIED),
        ("GET", {"if-none-match": '"a", "b,c" ,W/"v7"'}, NOT_MODIFIED),
        ("GET", {"if-none-match": "*"}, NOT_MODIFIED),
        ("HEAD", {"if-none-match": '"v7"'}, NOT_MODIFIED),
        ("GET", {"if-none-match": '"v6"'}, SEND),
        ("GET", {"if-none-match": "v7"}, SEND),
        ("GET", {"if-none-match": '"V7"'}, SEND),
        ("GET", {"if-none-match": ""}, SEND),
        ("GET", {"if-none-match": '"x"v7"'}, SEND),
        ("GET", {"if-none-match": '","v7'}, SEND),
        ("PUT", {"if-none-match": "*"}, FAILED),
        ("PUT", {"if-none-match": '"v6"'}, SEND),
        # If-Match: strong comparison
        ("PUT", {"if-match": '"v7"'}, SEND),
        ("PUT", {"if-match": '"v6", "v7"'}, SEND),
        ("PUT", {"if-match": "*"}, SEND),
        ("PUT", {"if-match": 'W/"v7"'}, FAILED),
        ("PUT", {"if-match": '"v6"'}, FAILED),
        ("GET", {"if-match": '"v6"'}, FAILED),
        ("PUT", {"if-match": "nonsense"}, FAILED),
        # dates: to the second; what cannot be read is as good as none
        ("GET", {"if-modified-since": SAME}, NOT_MODIFIED),
        ("GET", {"if-modified-since": AFTER}, NOT_MODIFIED),
        ("GET", {"if-modified-since": BEFORE}, SEND),
        ("GET", {"if-modified-since": "yesterday"}, SEND),
        ("GET", {"if-modified-since": "Sun, 99 May 99999 12:00:00 GMT"}, SEND),
        ("PUT", {"if-modified-since": SAME}, SEND),
        ("PUT", {"if-unmodified-since": SAME}, SEND),
        ("PUT", {"if-unmodified-since": BEFORE}, FAILED),
        ("PUT", {"if-unmodified-since": "\x00"}, SEND),
        # the order of section 13.2.2
        ("GET", {"if-none-match": '"v6"', "if-modified-since": AFTER}, SEND),
        ("PUT", {"if-match": '"v7"', "if-unmodified-since": BEFORE}, SEND),
        ("PUT", {"if-match": '"v6"', "if-none-match": '"v6"'}, FAILED),
        ("GET", {"if-match": '"v7"', "if-none-match": '"v7"'}, NOT_MODIFIED),
    ],
)
def test_what_conditions_come_to(method: str, headers: dict[str, str], outcome: Outcome) -> None:
    assert evaluate(method, Headers(headers), etag='"v7"', modified=CHANGED) is outcome


def test_a_weak_tag_matches_weakly_only() -> None:
    assert evaluate("GET", Headers({"if-none-match": '"v7"'}), etag='W/"v7"', modified=None) is NOT_MODIFIED
    assert evaluate("PUT", Headers({"if-match": 'W/"v7"'}), etag='W/"v7"', modified=None) is FAILED


def test_where_there_is_nothing_yet_a_star_stands_for_nothing() -> None:
    assert evaluate("PUT", Headers({"if-none-match": "*"}), etag=None, modified=None) is SEND
    assert evaluate("PUT", Headers({"if-match": "*"}), etag=None, modified=None) is FAILED
    assert evaluate("PUT", Headers({"if-match": "*"}), etag=None, modified=CHANGED) is SEND


def test_several_lines_are_one_list() -> None:
    lines = Headers(raw=[(b"if-none-match", b'"v6"'), (b"if-none-match", b'"v7"')])
    assert evaluate("GET", lines, etag='"v7"', modified=None) is NOT_MODIFIED


def test_a_long_list_that_never_ends_takes_no_time() -> None:
    hostile = '"' + 'W/"' * 100_000
    assert evaluate("GET", Headers({"if-none-match": hostile}), etag='"v7"', modified=None) is SEND


# ctx.is_not_modified, ctx.check_preconditions


@Controller("/note")
class NoteController:
    def __init__(self) -> None:
        self.version = 7

    @Get()
    async def show(self, ctx: RequestContext) -> Any:
        if ctx.is_not_modified(f"v{self.version}", last_modified=CHANGED):
            return ctx.not_modified()
        return {"version": self.version}

    @Put()
    async def change(self, ctx: RequestContext) -> Any:
        ctx.check_preconditions(f"v{self.version}")
        self.version += 1
        return {"version": self.version}


async def test_a_handler_may_spare_itself_the_work() -> None:
    app = app_of(NoteController)
    first = await ask(app, "/note")
    assert (first.header("etag"), first.header("last-modified")) == ('"v7"', SAME)
    for method in ("GET", "HEAD"):
        again = await ask(app, "/note", method=method, headers={"if-none-match": '"v7"'})
        assert (again.status, again.body, again.header("etag")) == (304, b"", '"v7"')
        assert again.header("content-length") is None


async def test_a_change_of_an_old_version_is_refused() -> None:
    app = app_of(NoteController)
    assert (await ask(app, "/note", method="PUT", headers={"if-match": '"v7"'})).json() == {"version": 8}
    late = await ask(app, "/note", method="PUT", headers={"if-match": '"v7"'})
    assert (late.status, late.json()["title"]) == (412, "Precondition Failed")
    assert late.header("etag") is None


async def test_a_moment_without_a_zone_is_utc_and_others_are_converted() -> None:
    moments = [CHANGED.replace(tzinfo=None), CHANGED.astimezone(timezone(timedelta(hours=5)))]

    @Controller("/note")
    class Dated:
        @Get("/{number}")
        async def show(self, ctx: RequestContext, number: int) -> Any:
            ctx.is_not_modified(last_modified=moments[number])
            return {}

    for number in range(2):
        assert (await ask(app_of(Dated), f"/note/{number}")).header("last-modified") == SAME


async def test_what_is_no_tag_is_refused() -> None:
    from kick.http.response.etags import entity_tag

    for value in ('a"b', "a b", "é", "a\n", "\x7f"):
        with pytest.raises(ValueError, match="not an entity tag"):
            entity_tag(value)


# conditional()


def tagging() -> App:
    @Controller()
    class Ready:
        @Get("/json")
        async def json(self, ctx: RequestContext) -> Any:
            ctx.set_cookie("seen", "1")
            response = ctx.json({"n": 1})
            response.headers["cache-control"] = "max-age=60"
            return response

        @Get("/own")
        async def own(self, ctx: RequestContext) -> Any:
            response = ctx.text("x")
            response.headers["etag"] = '"own"'
            return response

        @Get("/secret")
        async def secret(self, ctx: RequestContext) -> Any:
            response = ctx.text("x")
            response.headers["cache-control"] = "private, no-store"
            return response

        @Get("/stream")
        async def stream(self, ctx: RequestContext) -> Any:
            return ctx.stream([b"x"])

        @Get("/created", status=201)
        async def created(self) -> Any:
            return {}

        @Put("/json")
        async def put(self) -> Any:
            return {"n": 1}

    return app_of(Ready, middleware=[conditional()])


async def test_a_ready_body_is_tagged_and_sent_once() -> None:
    app = tagging()
    first = await ask(app, "/json")
    tag = first.header("etag")
    assert tag is not None
    assert tag.startswith('W/"')
    for method in ("GET", "HEAD"):
        again = await ask(app, "/json", method=method, headers={"if-none-match": tag})
        assert (again.status, again.body) == (304, b"")
        assert again.header("etag") == tag
        assert again.header("cache-control") == "max-age=60"
        assert again.all("set-cookie") == first.all("set-cookie")
        assert (again.header("content-type"), again.header("content-length")) == (None, None)
    assert (await ask(app, "/json", headers={"if-none-match": 'W/"other"'})).json() == {"n": 1}
    assert (await ask(app, "/json", method="HEAD")).header("etag") == tag


async def test_a_tag_of_the_handlers_own_stays() -> None:
    app = tagging()
    assert (await ask(app, "/own")).header("etag") == '"own"'
    assert (await ask(app, "/own", headers={"if-none-match": '"own"'})).status == 304


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/secret"), ("GET", "/stream"), ("GET", "/created"), ("PUT", "/json")]
)
async def test_other_responses_pass_untouched(method: str, path: str) -> None:
    answer = await ask(tagging(), path, method=method, headers={"if-none-match": "*"})
    assert answer.header("etag") is None
    assert answer.status in (200, 201)

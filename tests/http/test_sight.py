"""Which functions have no way to the session, and which might have one."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import pytest

from kick.http.sight import layer_sees_session, sees_session


def help_with(ctx: Any) -> Any:
    return ctx.session


async def answers(self: Any, ctx: Any) -> Any:
    ctx.set_header("x-a", "b")
    if ctx.method == "GET" and ctx.query.get("q"):
        return ctx.json({"q": ctx.query["q"], "path": ctx.path})
    return ctx.json([ctx.params["a"], ctx.params["b"]], status=201)


async def does_not_use_it(self: Any, ctx: Any) -> Any:
    return {"a": self}


async def awaits(self: Any, ctx: Any) -> Any:
    raw = await ctx.read()
    return ctx.text(raw.decode())


BLIND = [answers, does_not_use_it, awaits]


async def session(self: Any, ctx: Any) -> Any:
    return ctx.session


async def session_in_a_branch(self: Any, ctx: Any) -> Any:
    if ctx.method == "GET":
        return ctx.json({})
    return ctx.json(ctx.session.id)


async def hands_on(self: Any, ctx: Any) -> Any:
    return help_with(ctx)


async def hands_on_by_name(self: Any, ctx: Any) -> Any:
    return help_with(ctx=ctx)


async def hands_on_with_another(self: Any, ctx: Any) -> Any:
    return isinstance(self, ctx)


async def keeps(self: Any, ctx: Any) -> Any:
    self.ctx = ctx


async def has_another_name_for_it(self: Any, ctx: Any) -> Any:
    other = ctx
    return other.session


async def in_a_closure(self: Any, ctx: Any) -> Any:
    return [(lambda: ctx.session)()]


async def in_a_generator(self: Any, ctx: Any) -> Any:
    async def pieces() -> Any:
        yield ctx.session.id

    return ctx.stream(pieces())


async def by_name(self: Any, ctx: Any) -> Any:
    return getattr(ctx, "session")  # noqa: B009


async def in_a_list(self: Any, ctx: Any) -> Any:
    return [ctx][0].session


async def through_the_frame(self: Any, ctx: Any) -> Any:
    return sys._getframe().f_locals["ctx"].session


async def through_locals(self: Any, ctx: Any) -> Any:
    return locals()["ctx"].session


async def renders(self: Any, ctx: Any) -> Any:
    return ctx.render("page.html")


async def the_request(self: Any, ctx: Any) -> Any:
    return ctx.request


async def formatted(self: Any, ctx: Any) -> Any:
    return f"{ctx}"


async def compared(self: Any, ctx: Any) -> Any:
    return ctx == self


async def works_later(self: Any, ctx: Any) -> Any:
    ctx.background(help_with, ctx)


SEEING = [
    session,
    session_in_a_branch,
    hands_on,
    hands_on_by_name,
    hands_on_with_another,
    keeps,
    has_another_name_for_it,
    in_a_closure,
    in_a_generator,
    by_name,
    in_a_list,
    through_the_frame,
    through_locals,
    renders,
    the_request,
    formatted,
    compared,
    works_later,
]


@pytest.mark.parametrize("function", BLIND)
def test_has_no_way_to_the_session(function: Callable[..., Any]) -> None:
    assert not sees_session(function, "ctx")


@pytest.mark.parametrize("function", SEEING)
def test_might_see_the_session(function: Callable[..., Any]) -> None:
    assert sees_session(function, "ctx")


def test_what_a_decorator_wraps_might_see_it() -> None:
    @functools.wraps(answers)
    async def wrapper(*args: Any) -> Any:
        return await answers(*args)

    assert sees_session(wrapper, "ctx")
    assert sees_session(functools.partial(answers, None), "ctx")


async def timing(ctx: Any, call_next: Any) -> Any:
    response = await call_next(ctx)
    response.headers["x-path"] = ctx.path
    return response


async def passes_it_elsewhere(ctx: Any, call_next: Any) -> Any:
    await help_with(ctx)
    return await call_next(ctx)


async def calls_another(ctx: Any, call_next: Any) -> Any:
    other = help_with
    return await other(ctx)


class Layer:
    async def __call__(self, ctx: Any, call_next: Any) -> Any:
        return await call_next(ctx)


class Keeping:
    async def __call__(self, ctx: Any, call_next: Any) -> Any:
        self.last = ctx
        return await call_next(ctx)


class Blind(Keeping):
    is_blind = True


def test_of_a_layer_call_next_is_not_counted() -> None:
    assert [layer_sees_session(layer) for layer in (timing, Layer(), Blind())] == [False, False, False]
    assert [layer_sees_session(layer) for layer in (passes_it_elsewhere, calls_another, Keeping())] == [
        True,
        True,
        True,
    ]

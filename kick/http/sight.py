"""What a handler or a middleware can see of the context it is given, read from its bytecode at start-up.

A session that nobody can see need not be loaded. That a function has no way to it is certain where it takes single
attributes of its context and hands it on to nobody; wherever that is not plain, it may see everything.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any, Final

BLIND: Final = frozenset(
    {
        *("method", "path", "url", "params", "query", "headers", "cookies", "signed_cookies", "client_ip", "route"),
        *("request_id", "trace", "state", "body", "raw_body", "form", "files", "read", "body_stream", "url_for"),
        *("json", "text", "html", "no_content", "redirect", "send_file", "download", "stream", "sse", "problem"),
        *("set_header", "set_cookie", "delete_cookie", "fresh", "not_modified", "last_event_id", "csp_nonce"),
        *("stopping", "disconnected", "is_disconnected"),
    }
)
"""The attributes of a context that lead to no session."""

_EVERYTHING: Final = {"locals", "vars", "eval", "exec", "_getframe", "currentframe", "gc"}
"""What finds the variables of a function without naming them."""


def sees_session(function: Callable[..., Any], name: str) -> bool:
    """Whether a function might get at the session through its parameter of this name, the context.

    >>> async def greet(self, ctx): return ctx.json({"hello": ctx.params["name"]})
    >>> async def count(self, ctx): ctx.session["n"] += 1
    >>> async def helped(self, ctx): return help_with(ctx)
    >>> async def timing(ctx, call_next): return await call_next(ctx)
    >>> [sees_session(each, "ctx") for each in (greet, count, helped, timing)]
    [False, True, True, False]
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or hasattr(function, "__wrapped__") or name not in code.co_varnames:
        return True
    if name in code.co_cellvars or not _EVERYTHING.isdisjoint(code.co_names):
        return True
    return not _taken(code, name) <= BLIND


def layer_sees_session(layer: Any) -> bool:
    """Whether a middleware might get at the session. One that has `is_blind = True` says that it does not."""
    if getattr(layer, "is_blind", False) or is_for_sight(layer):
        return False
    function = layer if inspect.isfunction(layer) else type(layer).__call__
    names: tuple[str, ...] = getattr(getattr(function, "__code__", None), "co_varnames", ())
    index = 0 if function is layer else 1
    return len(names) <= index or sees_session(function, names[index])


def is_for_sight(layer: Any) -> bool:
    """Whether a middleware is there for what others see of the context, and for nothing else."""
    return getattr(layer, "is_for_sight", False) is True


def _taken(code: CodeType, name: str) -> set[str]:
    """The attributes that are taken of a variable; something else beside them where it is used as a whole."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "PUSH_NULL"]  # Python 3.13: before arguments
    taken: set[str] = set()
    for at, step in enumerate(steps):
        if not _names(step, name):
            continue
        following = steps[at + 1] if at + 1 < len(steps) else step
        if _ends_with(step, name) and following.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            taken.add(str(following.argval))
        elif not _is_call_next(steps, at):
            taken.add("")
    return taken


def _names(step: dis.Instruction, name: str) -> bool:
    return step.argval == name if not isinstance(step.argval, tuple) else name in step.argval


def _ends_with(step: dis.Instruction, name: str) -> bool:
    """Whether an instruction pushes the variable last: some push two at once."""
    pushed: Iterable[Any] = step.argval if isinstance(step.argval, tuple) else (step.argval,)
    return step.opname.startswith("LOAD_FAST") and [*pushed].index(name) == len([*pushed]) - 1


def _is_call_next(steps: list[dis.Instruction], at: int) -> bool:
    """Whether all that happens here is `call_next(ctx)`: the rest of the chain is looked at by itself."""
    before = [*_pushed(steps[at - 1]), *_pushed(steps[at])][-2:] if at else []
    calls = [step for step in steps[at + 1 : at + 3] if step.opname in ("PRECALL", "CALL")]
    return before[:1] == ["call_next"] and bool(calls) and calls[0] is steps[at + 1] and calls[0].argval == 1


def _pushed(step: dis.Instruction) -> list[Any]:
    if not step.opname.startswith("LOAD_FAST"):
        return []
    return [*step.argval] if isinstance(step.argval, tuple) else [step.argval]

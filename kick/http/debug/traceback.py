"""Tracebacks for developers: frames with their code and package."""

from __future__ import annotations

import linecache
import re
import sysconfig
import traceback
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

AROUND: Final = 5
"""Lines of code that are shown before and after the current one."""

_MOST_FRAMES: Final = 60
_MOST_FAILURES: Final = 12
_LONGEST_MESSAGE: Final = 4000
_KICK: Final = Path(__file__).parents[2]
_STANDARD: Final = Path(sysconfig.get_path("stdlib"))
_controls: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]").sub
_packages: Final = re.compile(r".*[/\\](?:site|dist)-packages[/\\](.*)", re.DOTALL).fullmatch


class Frame(msgspec.Struct, frozen=True):
    """One frame of a traceback.

    `owner` is the package of the code, and empty for code of the application. `lines` are the lines around number
    `line`. `span` has the first and last column of the expression that ran; `None` if it is the whole line.
    """

    file: str
    line: int
    function: str
    owner: str
    lines: tuple[tuple[int, str], ...]
    span: tuple[int, int] | None

    @property
    def code(self) -> str:
        """The current line, without indentation."""
        return next((text.strip() for number, text in self.lines if number == self.line), "")


class Failure(msgspec.Struct, frozen=True):
    """One exception of a chain; `relation` is its relation to the previous one, and empty for the first."""

    name: str
    message: str
    relation: str
    notes: tuple[str, ...]
    frames: tuple[Frame, ...]
    left_out: int = 0


def failures(error: BaseException) -> list[Failure]:
    """Return an exception with its causes and contexts; frames are in the order of the calls.

    >>> try:
    ...     try:
    ...         {}["missing"]
    ...     except KeyError as cause:
    ...         raise LookupError("no such note") from cause
    ... except LookupError as error:
    ...     [(each.relation, each.name, each.message) for each in failures(error)]
    [('', 'LookupError', 'no such note'), ('caused by', 'KeyError', "'missing'")]
    """
    found: list[Failure] = []
    seen: set[int] = set()
    left: list[tuple[str, BaseException]] = [("", error)]
    while left and len(found) < _MOST_FAILURES:
        relation, each = left.pop(0)
        if id(each) not in seen:
            seen.add(id(each))
            found.append(_failure(each, relation))
            left = [*_origins(each), *left]
    return found


def readable_trace(error: BaseException) -> list[str]:
    """Return the lines of a short trace: the frames of the application, and the last one.

    >>> try:
    ...     int("x")
    ... except ValueError as error:
    ...     readable_trace(error)[0]
    "ValueError: invalid literal for int() with base 10: 'x'"
    """
    return [line for failure in failures(error) for line in _lines_of(failure)]


def folded(frames: tuple[Frame, ...]) -> Iterator[tuple[bool, list[Frame]]]:
    """Yield runs of frames, each with true if it is shown: frames of the application, and the last frame."""

    def shown(frame: Frame) -> bool:
        return not frame.owner or frame is frames[-1]

    for is_shown, run in groupby(frames, shown):
        yield is_shown, list(run)


def owners(frames: list[Frame]) -> str:
    """Return a summary of frames that are not shown.

    >>> owners([Frame("a.py", 1, "f", "starlette", (), None), Frame("b.py", 1, "g", "anyio", (), None)])
    '2 steps in starlette, anyio'
    """
    names = ", ".join(dict.fromkeys(frame.owner for frame in frames))
    return f"{len(frames)} step{'s' if len(frames) > 1 else ''} in {names}"


def _lines_of(failure: Failure) -> Iterator[str]:
    before = f"{failure.relation}: " if failure.relation else ""
    first, *more = f"{before}{failure.name}: {failure.message}".removesuffix(": ").splitlines()
    yield first
    yield from (f"  {line}" for line in (*more, *failure.notes))
    if failure.left_out:
        yield f"  ... {failure.left_out} steps left out"
    for is_shown, run in folded(failure.frames):
        if not is_shown:
            yield f"  ... {owners(run)}"
            continue
        for frame in run:
            yield f"  {frame.file}:{frame.line}  {frame.function}"
            if frame.code:
                yield f"      {frame.code}"


def _origins(error: BaseException) -> list[tuple[str, BaseException]]:
    within: list[tuple[str, BaseException]] = []
    if isinstance(error, BaseExceptionGroup):
        within = [("one of the group", each) for each in error.exceptions]
    if error.__cause__ is not None:
        return [*within, ("caused by", error.__cause__)]
    if error.__context__ is not None and not error.__suppress_context__:
        return [*within, ("raised while handling", error.__context__)]
    return within


def _failure(error: BaseException, relation: str) -> Failure:
    try:
        message = str(error)
    except Exception as failure:  # noqa: BLE001  # an exception whose `__str__` fails is shown too
        message = f"(its `__str__` raised {type(failure).__name__})"
    notes = tuple(map(_shown, getattr(error, "__notes__", ())))
    frames = _frames(error.__traceback__)
    kept = [*frames[: _MOST_FRAMES // 3], *frames[len(frames) - 2 * _MOST_FRAMES // 3 :]]
    if len(frames) <= _MOST_FRAMES:
        kept = frames
    name = type(error).__qualname__
    return Failure(name, _shown(message), relation, notes, tuple(kept), len(frames) - len(kept))


def _shown(text: object) -> str:
    """Return a text without control characters and lone surrogates, cut at a maximal length."""
    short = str(text)[:_LONGEST_MESSAGE].encode("utf-8", "replace").decode()
    return _controls(lambda match: f"\\x{ord(match[0]):02x}", short)


def _frames(trace: TracebackType | None) -> list[Frame]:
    codes = [frame.f_code for frame, _ in traceback.walk_tb(trace)]
    return [_frame(summary, code.co_qualname) for summary, code in zip(traceback.extract_tb(trace), codes, strict=True)]


def _frame(summary: traceback.FrameSummary, function: str) -> Frame:
    file, owner = located(summary.filename)
    line = summary.lineno or 0
    source = linecache.getlines(summary.filename)
    first = max(line - AROUND, 1)
    lines = tuple((first + index, text.rstrip()) for index, text in enumerate(source[first - 1 : line + AROUND]))
    text = source[line - 1].rstrip() if 0 < line <= len(source) else ""
    return Frame(file, line, function.replace(".<locals>", ""), owner, lines, _span(summary, text))


def _span(summary: traceback.FrameSummary, text: str) -> tuple[int, int] | None:
    start, end = summary.colno, summary.end_colno
    if start is None or end is None or summary.end_lineno != summary.lineno:
        return None
    raw = text.encode()  # columns are counted in bytes
    span = len(raw[:start].decode("utf-8", "replace")), len(raw[:end].decode("utf-8", "replace"))
    return None if text[slice(*span)] == text.strip() or span[0] >= span[1] else span


def located(filename: str) -> tuple[str, str]:
    """Return the shown path of a file and its package, which is empty for a file of the application."""
    path = Path(filename)
    if path.is_relative_to(_KICK):
        return path.relative_to(_KICK.parent).as_posix(), "kick"
    package = _packages(filename)
    if package is not None:
        return package[1], re.split(r"[/\\.]", package[1])[0]
    if path.is_relative_to(_STANDARD) or filename.startswith("<frozen"):
        return (path.relative_to(_STANDARD).as_posix() if path.is_absolute() else filename), "Python"
    folder = Path.cwd()
    return (path.relative_to(folder).as_posix() if path.is_relative_to(folder) else filename), ""

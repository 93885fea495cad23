"""Charts as SVG, readable on light and dark ground, without a library."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from benchmarks.results import Panel

STYLE: Final = """
  .ground { fill: #ffffff; stroke: #d8dee6; }
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #3b4654; }
  .heading { font-size: 17px; font-weight: 650; fill: #111a24; }
  .title { font-size: 13px; font-weight: 600; fill: #111a24; }
  .quiet { font-size: 11px; fill: #6b7786; }
  .first { font-weight: 650; fill: #b3400e; }
  .end { text-anchor: end; } .middle { text-anchor: middle; }
  .grid { stroke: #e6eaef; stroke-width: 1; } .base { stroke: #8692a0; stroke-width: 1; stroke-dasharray: 3 3; }
  .kick { fill: #e2622a; } .python { fill: #a9b6c6; } .node { fill: #8dbf97; }
  .spread { stroke: #111a24; stroke-opacity: .55; stroke-width: 1.2; } .goal { stroke: #111a24; stroke-width: 2; }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
  .l0 { stroke: #e2622a; } .l1 { stroke: #3f7cc4; } .l2 { stroke: #4c9a63; } .l3 { stroke: #8a63b8; }
  .d0 { fill: #e2622a; } .d1 { fill: #3f7cc4; } .d2 { fill: #4c9a63; } .d3 { fill: #8a63b8; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #10161d; stroke: #2b3541; }
    text { fill: #c2ccd8; } .heading, .title { fill: #f0f4f8; } .quiet { fill: #8d99a8; } .first { fill: #ff9a66; }
    .grid { stroke: #212a34; } .base { stroke: #66727f; }
    .kick { fill: #ee7440; } .python { fill: #55657a; } .node { fill: #4d8a5b; }
    .spread { stroke: #f0f4f8; } .goal { stroke: #f0f4f8; }
    .l0 { stroke: #ff8a54; } .l1 { stroke: #6ea8ea; } .l2 { stroke: #6fc389; } .l3 { stroke: #b794e0; }
    .d0 { fill: #ff8a54; } .d1 { fill: #6ea8ea; } .d2 { fill: #6fc389; } .d3 { fill: #b794e0; }
  }
"""

WIDTH: Final = 960
MARGIN: Final = 28
GAP: Final = 36
BAR: Final = 19
"""The height of a bar with the space around it."""
NAME: Final = 92
"""The width of the names of bars."""
VALUE: Final = 104
"""The width of what is written behind them."""


@dataclass(frozen=True)
class Bar:
    """A contender: the median, the least and the most, and a note behind it. `kind` is kick, python or node."""

    name: str
    value: float
    least: float
    most: float
    kind: str
    note: str = ""
    goal: float | None = None


@dataclass(frozen=True)
class Bars:
    """A group of bars under a title."""

    title: str
    bars: Sequence[Bar]


def bar_chart(heading: str, caption: str, groups: Sequence[Bars], *, columns: int = 2) -> str:
    """Groups of bars on one scale, with a line at 1."""
    most = max([1.0, *(bar.most for group in groups for bar in group.bars)]) * 1.02
    width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    parts: list[str] = []
    top = 92.0
    for start in range(0, len(groups), columns):
        line = groups[start : start + columns]
        for number, group in enumerate(line):
            parts += _bars(group, MARGIN + number * (width + GAP), top, width, most)
        top += 34 + BAR * max(len(group.bars) for group in line) + 8
    legend = [("kick", "kick"), ("python", "Python"), ("node", "Node.js")]
    return _document(heading, caption, [*_legend(legend), *parts], top - 18)


def _bars(group: Bars, left: float, top: float, width: float, most: float) -> Iterable[str]:
    start = left + NAME
    scale = (width - NAME - VALUE) / most
    bottom = top + 12 + BAR * len(group.bars)
    yield _text(left, top, group.title, "title")
    yield _line(start + scale, top + 9, start + scale, bottom + 4, "base")
    for number, bar in enumerate(group.bars):
        yield from _bar(bar, start, top + 12 + number * BAR, scale, left + width)


def _bar(bar: Bar, start: float, y: float, scale: float, right: float) -> Iterable[str]:
    middle = y + BAR / 2
    kind = "first" if bar.kind == "kick" else ""
    yield _text(start - 8, middle + 4, bar.name, f"end {kind}")
    length = max(1.0, bar.value * scale)
    yield f'<rect class="{bar.kind}" x="{start:.1f}" y="{y + 3:.1f}" width="{length:.1f}" height="{BAR - 6}" rx="2"/>'
    if bar.least < bar.most:
        yield _line(start + bar.least * scale, middle, start + bar.most * scale, middle, "spread")
    if bar.goal is not None:
        yield _line(start + bar.goal * scale, y + 1, start + bar.goal * scale, y + BAR - 1, "goal")
    yield _text(right - 62, middle + 4, f"{bar.value:.2f}", f"end {kind}")
    yield _text(right, middle + 4, bar.note, "end quiet")


def _legend(entries: Sequence[tuple[str, str]]) -> Iterable[str]:
    x = float(WIDTH - MARGIN)
    for kind, name in reversed(entries):
        x -= 7 * len(name)
        yield _text(x, 41, name)
        yield f'<rect class="{kind}" x="{x - 17:.1f}" y="31" width="11" height="11" rx="2"/>'
        x -= 17 + 16


def line_chart(heading: str, caption: str, panels: Sequence[Panel], *, columns: int = 2) -> str:
    """A small chart for each panel; the axis of y begins at 0."""
    width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    height = 158.0
    parts: list[str] = []
    top = 92.0
    for start in range(0, len(panels), columns):
        for number, panel in enumerate(panels[start : start + columns]):
            parts += _panel(panel, MARGIN + number * (width + GAP), top, width, height)
        top += height + 100
    return _document(heading, caption, parts, top - 12)


def _panel(panel: Panel, left: float, top: float, width: float, height: float) -> Iterable[str]:
    points = [point for line in panel.lines.values() for point in line]
    steps = _steps(max(y for _, y in points))
    x0, y0 = left + 46, top + 20 + height
    inner = width - 46 - 14
    xs = sorted({x for x, _ in points})
    place = _axis(xs[0], xs[-1], logarithmic=panel.logarithmic)
    yield _text(left, top, panel.title, "title")
    yield _text(left + width - 14, top, panel.y, "quiet end")
    for step in steps:
        y = y0 - step / steps[-1] * height
        yield _line(x0, y, x0 + inner, y, "grid")
        yield _text(x0 - 8, y + 4, _number(step), "quiet end")
    for x in _marks(xs, logarithmic=panel.logarithmic):
        yield _text(x0 + place(x) * inner, y0 + 17, _number(x), "quiet middle")
    yield _text(x0 + inner / 2, y0 + 33, panel.x, "quiet middle")
    names = left + 46
    for number, (name, line) in enumerate(panel.lines.items()):
        spots = [(x0 + place(x) * inner, y0 - y / steps[-1] * height) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        yield f'<polyline class="line l{number % 4}" points="{path}"/>'
        yield from (f'<circle class="d{number % 4}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in spots)
        if len(panel.lines) > 1:
            yield f'<rect class="d{number % 4}" x="{names:.1f}" y="{y0 + 42:.1f}" width="10" height="3" rx="1.5"/>'
            yield _text(names + 15, y0 + 48, name, "quiet")
            names += 38 + 6.1 * len(name)


def _axis(first: float, last: float, *, logarithmic: bool) -> Callable[[float], float]:
    if not logarithmic:
        return lambda x: (x - first) / ((last - first) or 1)
    low, high = math.log10(max(first, 1)), math.log10(max(last, 1))
    return lambda x: (math.log10(max(x, 1)) - low) / ((high - low) or 1)


def _marks(xs: Sequence[float], *, logarithmic: bool) -> Sequence[float]:
    """The values that are written under an axis: all of a few, else powers of ten or each second."""
    if logarithmic:
        return [x for x in xs if x <= 1 or math.log10(x).is_integer()]
    return xs if len(xs) < 7 else xs[::2]


def _steps(most: float) -> list[float]:
    """Where the lines of a grid are: four or five round values that end above `most`.

    >>> _steps(7.3)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    rough = max(most, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [number * step for number in range(math.ceil(most / step - 1e-9) + 1)]


def _number(value: float) -> str:
    """A number for an axis.

    >>> [_number(each) for each in (0.0, 0.25, 40.0, 1500.0, 10_000.0, 1_000_000.0)]
    ['0', '0.25', '40', '1,500', '10k', '1M']
    """
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _document(heading: str, caption: str, parts: Iterable[str], height: float) -> str:
    inside = [
        f"<title>{escape(heading)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="10"/>',
        _text(MARGIN, 42, heading, "heading"),
        _text(MARGIN, 62, caption, "quiet"),
        *parts,
    ]
    body = "\n".join(inside)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(heading)}">\n{body}\n</svg>\n'
    )

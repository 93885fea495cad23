"""`docs/benchmarks.md` and its charts, made of the results."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.chart import Bar, Bars, bar_chart, line_chart
from benchmarks.contenders import CONTENDERS, KICK, ON_UVICORN, RAW, RAW_ON_UVICORN, Contender
from benchmarks.results import Figure, Panel, Results, Sample
from benchmarks.servers import ROOT
from benchmarks.work import ROWS, Work

PAGE: Final = ROOT / "docs" / "benchmarks.md"
IMAGES: Final = ROOT / "docs" / "images"
CAPTION: Final = (
    "Requests a second as a ratio to raw ASGI, the dashed line. Thin lines: lowest to highest. Upright: kick's goal."
)
GROWTH_CAPTION: Final = (
    "Each y axis begins at 0. The x axes are logarithmic, except for middleware and workers: "
    "linear growth bends upwards."
)
UVICORN_GOALS: Final = {"json": 0.90, "memory-read": 0.72, "memory-change": 0.62}
"""The least ratio of kick on uvicorn to raw ASGI on uvicorn, by row."""

ENOUGH: Final = 5
"""Fewer rounds are no result."""

INTRODUCTION: Final = """\
# Benchmarks

`make bench`, `make bench-micro` and `make bench-growth` write this page.
[benchmarks/README.md](../benchmarks/README.md) says what is measured and how. A ratio compares the requests a second
with those of a handwritten raw ASGI application that does the same work in the same round. The figures are medians; the
lowest and the highest value are in parentheses.
"""


def write(found: Results) -> None:
    """The page, and the charts for which there are figures."""
    IMAGES.mkdir(exist_ok=True)
    plain = [row for row in ROWS if not row.with_sessions]
    sessions = [row for row in ROWS if row.with_sessions]
    charts = {
        "benchmarks.svg": _overview(found),
        "benchmarks-http.svg": _chart(found, "Requests", plain),
        "benchmarks-sessions.svg": _chart(found, "Requests with sessions", sessions),
        "benchmarks-growth.svg": _growth_chart(found.growth),
    }
    for name, text in charts.items():
        if text:
            (IMAGES / name).write_text(text, encoding="utf-8")
    text = "\n".join(_page(found, [name for name, chart in charts.items() if chart]))
    PAGE.write_text(text.strip() + "\n", encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")


# Charts


def _kind(contender: Contender) -> str:
    if contender is RAW_ON_UVICORN:
        return "raw"
    return "kick" if contender in (KICK, ON_UVICORN) else "node" if contender.server == "node" else "python"


def _bar(contender: Contender, figure: Figure, row: Work, name: str = "") -> Bar:
    ratios = figure.ratios
    goal = row.goal if contender is KICK else None
    note = f"{figure.rate:,.0f}/s"
    return Bar(name or contender.name, figure.ratio, min(ratios), max(ratios), _kind(contender), note, goal)


def _figures(found: Results, row: Work) -> list[tuple[Contender, Figure]]:
    """Who has figures in a row, the quickest first."""
    mine = found.rows.get(row.name, {})
    pairs = [(each, mine[each.name]) for each in CONTENDERS if each.name in mine and each is not RAW]
    return sorted(pairs, key=lambda pair: -pair[1].ratio)


def _chart(found: Results, heading: str, rows: Sequence[Work]) -> str:
    groups = [
        Bars(row.title, [_bar(each, figure, row) for each, figure in _figures(found, row) if _kind(each) != "raw"])
        for row in rows
        if row.name in found.rows
    ]
    return bar_chart(heading, _caption(found), groups) if groups else ""


def _caption(found: Results) -> str:
    return CAPTION if found.fewest >= ENOUGH else f"NO RESULT, too few rounds. {CAPTION}"


def _overview(found: Results) -> str:
    """kick, the quickest other Python framework, and those of Node, in each row."""
    groups = []
    for row in ROWS:
        figures = _figures(found, row)
        python = [pair for pair in figures if _kind(pair[0]) == "python"][:1]
        chosen = [pair for pair in figures if _kind(pair[0]) in ("kick", "node")] + python
        chosen.sort(key=lambda pair: -pair[1].ratio)
        if chosen:
            groups.append(Bars(row.title, [_bar(contender, figure, row) for contender, figure in chosen]))
    heading = "kick, the quickest of the other Python frameworks, Fastify and Express"
    return bar_chart(heading, _caption(found), groups) if groups else ""


def _growth_chart(panels: Sequence[Panel]) -> str:
    return line_chart("Growth", GROWTH_CAPTION, panels) if panels else ""


# Text


def _page(found: Results, charts: Sequence[str]) -> Iterable[str]:
    yield INTRODUCTION
    if not found.rows:
        yield "There are no figures yet: run `make bench`.\n"
    if found.rows and found.fewest < ENOUGH:
        yield f"**No result:** {found.fewest} of {ENOUGH} rounds; these figures only show the layout of the page.\n"
    yield from goals(found)
    if "benchmarks-http.svg" in charts:
        yield "![Requests a second without sessions, as ratios to raw ASGI](images/benchmarks-http.svg)\n"
    if "benchmarks-sessions.svg" in charts:
        yield "![Requests a second with sessions, as ratios to raw ASGI](images/benchmarks-sessions.svg)\n"
    yield from _rows(found)
    yield from _absent(found)
    yield from _samples(found.samples)
    yield from _growth(found.growth)
    yield from _machine(found)


def goals(found: Results) -> Iterable[str]:
    """Kick in each row, what was to be reached, and the quickest beside it."""
    if not found.rows:
        return
    yield "## Goals\n"
    yield "| work | kick | goal | | quickest other Python framework | Fastify | Express |"
    yield "|---|---:|---:|---|---:|---:|---:|"
    for row in ROWS:
        figures = {contender.name: figure for contender, figure in _figures(found, row)}
        if KICK.name not in figures:
            continue
        kick = figures[KICK.name].ratio
        others = [(each, figure) for each, figure in _figures(found, row) if _kind(each) == "python"]
        best = f"{others[0][0].name} {others[0][1].ratio:.2f}" if others else "none"
        reached = "reached" if round(kick, 2) >= row.goal else "missed"
        spread = _spread(figures[KICK.name].ratios, ".2f")
        fastify = _times(kick, figures.get("Fastify"))
        express = _times(kick, figures.get("Express"), goal=4)
        yield f"| {row.title} | {spread} | {row.goal:.2f} | {reached} | {best} | {fastify} | {express} |"
    yield ""
    yield from _beside(found, "redis", "starsessions", "On Redis", "Starlette with starsessions")
    yield from _beside(found, "postgres", "Django", "On PostgreSQL", "Django", goal=10)
    yield from _on_uvicorn(found)


def _on_uvicorn(found: Results) -> Iterable[str]:
    """Behind plain uvicorn, kick as a ratio to raw ASGI there."""
    lines: list[str] = []
    for row in ROWS:
        figures = found.rows.get(row.name, {})
        raw, kick = (figures.get(each.name) for each in (RAW_ON_UVICORN, ON_UVICORN))
        goal = UVICORN_GOALS.get(row.name)
        if raw is None or kick is None:
            continue
        ratios = [mine / theirs for mine, theirs in zip(kick.ratios, raw.ratios, strict=False)]
        reached = "" if goal is None else "reached" if round(statistics.median(ratios), 2) >= goal else "missed"
        lines.append(
            f"| {row.title} | {_spread(ratios, '.2f')} | {'' if goal is None else f'{goal:.2f}'} | {reached} |"
        )
    if lines:
        yield "Behind plain uvicorn, as a ratio to raw ASGI behind plain uvicorn in the same round:\n"
        yield "| work | kick on uvicorn | goal | |"
        yield "|---|---:|---:|---|"
        yield from lines
        yield ""


def _times(kick: float, other: Figure | None, *, goal: float = 0) -> str:
    """How many times as many requests kick answers; `goal` is what was to be reached."""
    if other is None:
        return "none"
    times = kick / other.ratio
    return f"{other.ratio:.2f}, kick {times:.1f} times" + ("" if times >= goal else f" (goal {goal:g}: missed)")


def _beside(found: Results, store: str, name: str, where: str, who: str, *, goal: float = 3) -> Iterable[str]:
    """How many times as many requests as another contender, over one store; `goal` is what was to be reached."""
    parts: list[str] = []
    reached = True
    for row in ROWS:
        mine, theirs = (found.rows.get(row.name, {}).get(each) for each in (KICK.name, name))
        if row.store == store and mine is not None and theirs is not None:
            times = mine.ratio / theirs.ratio
            reached = reached and times >= goal
            parts.append(f"{times:.1f} ({row.title.partition(',')[0].lower()})")
    if parts:
        missed = "" if reached else f" (goal {goal:g}: missed)"
        yield f"{where} kick answers {' and '.join(parts)} times as many requests as {who}{missed}.\n"


def _rows(found: Results) -> Iterable[str]:
    for row in ROWS:
        raw = found.rows.get(row.name, {}).get(RAW.name)
        if raw is None:
            continue
        yield f"### {row.title}\n"
        yield "| | requests/s | ratio to raw ASGI | 99% within | processor time for each request (ratio) |"
        yield "|---|---:|---:|---:|---:|"
        for contender, figure in [(RAW, raw), *_figures(found, row)]:
            name = f"**{contender.name}**" if contender is KICK else contender.name
            slowest, cpu = statistics.median(figure.slowest), statistics.median(figure.cpu)
            of_raw = statistics.median(raw.cpu) / max(cpu, 0.1)
            ratio = "1" if contender is RAW else _spread(figure.ratios, ".2f")
            rates = _spread(figure.rates, ",.0f")
            yield f"| {name} | {rates} | {ratio} | {slowest:.1f} ms | {cpu:.1f} µs ({of_raw:.2f}) |"
        yield ""


def _absent(found: Results) -> Iterable[str]:
    reasons = {row: dict(names) for row, names in found.absent.items() if names}
    if not reasons:
        return
    yield "### Not timed\n"
    for row, names in reasons.items():
        for name, reason in names.items():
            yield f"- {name}, in `{row}`: {reason.replace('|', ' ')}"
    yield ""


def _samples(samples: Sequence[Sample]) -> Iterable[str]:
    if not samples:
        return
    yield "## Without a server\n"
    yield "| | median (lowest to highest) | goal: at most |"
    yield "|---|---:|---:|"
    for sample in samples:
        form = ".2f" if sample.median < 100 else ",.0f"
        goal = "" if sample.goal is None else f"{sample.goal:g} {sample.unit}"
        yield f"| {sample.name} | {_spread(sample.values, form, sample.unit)} | {goal} |"
    yield ""


def _growth(panels: Sequence[Panel]) -> Iterable[str]:
    if not panels:
        return
    yield "## Growth\n"
    yield "![Charts of the cost as the application grows](images/benchmarks-growth.svg)\n"
    yield "| | smallest | largest | expected growth |"
    yield "|---|---:|---:|---|"
    for panel in panels:
        for number, (name, line) in enumerate(panel.lines.items()):
            ends = (f"{_measured(y, panel.y)} at {x:,.0f}" for x, y in (line[0], line[-1]))
            yield f"| {panel.title}, {name} | {' | '.join(ends)} | {panel.note if number == 0 else ''} |"
    yield ""


def _measured(value: float, unit: str) -> str:
    """A value with its unit, in three figures or more.

    >>> _measured(2.345, "µs"), _measured(35.2, "µs"), _measured(57_525.1, "requests/s")
    ('2.35 µs', '35.2 µs', '57,525 requests/s')
    """
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"


def _machine(found: Results) -> Iterable[str]:
    if not found.machine:
        return
    figures = [figure for row in found.rows.values() for figure in row.values()]
    days = sorted({figure.when for figure in figures if figure.when})
    yield "## The machine\n"
    if days:
        when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        yield f"{found.fewest} rounds of {min(figure.seconds for figure in figures):g} seconds each, {when}.\n"
    yield "\n".join(f"- {name}: {value}" for name, value in found.machine.items()) + "\n"


def _spread(values: Sequence[float], form: str, unit: str = "") -> str:
    """The median, the least and the most."""
    middle = statistics.median(values)
    unit = f" {unit}" if unit else ""
    if len(values) == 1:
        return f"{middle:{form}}{unit}"
    return f"{middle:{form}}{unit} ({min(values):{form}} to {max(values):{form}})"

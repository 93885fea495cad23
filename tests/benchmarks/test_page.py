"""`docs/benchmarks.md` and its charts."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import page, results
from benchmarks.chart import WIDTH
from benchmarks.results import Figure, Panel, Results, Sample

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def found() -> Results:
    """Five rounds of three contenders in one row, one that did not start, and some of everything else."""
    base = [100.0, 110.0, 90.0, 100.0, 100.0]
    rates = {"raw ASGI": 1.0, "kick": 0.95, "Fastify": 1.0, "Express": 0.2, "Falcon": 0.7}
    row = {
        name: Figure([each * ratio for each in base], base, [1.0] * 5, [20.0] * 5, "2026-01-31", 2.0)
        for name, ratio in rates.items()
    }
    return Results(
        machine={"processor": "<fast & new>"},
        rows={"json": row},
        absent={"json": {"Robyn": "not installed: no wheel"}},
        samples=[Sample("JSON route, over raw ASGI", "µs", [1.0, 1.5, 1.2], 2.0)],
        growth=[Panel("Routes", "routes", "µs", {"static": [(1, 2.0), (10_000, 2.1)]})],
    )


@pytest.fixture
def written(found: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, place in (("PAGE", tmp_path / "benchmarks.md"), ("IMAGES", tmp_path / "images"), ("ROOT", tmp_path)):
        monkeypatch.setattr(page, name, place)
    page.write(found)
    return tmp_path


def test_the_page_has_the_medians_the_spread_and_the_goal(written: Path) -> None:
    text = (written / "benchmarks.md").read_text()
    times = "1.00, kick 0.9 times | 0.20, kick 4.7 times"
    assert f"| GET, JSON of a dict | 0.95 (0.95 to 0.95) | 0.92 | reached | Falcon 0.70 | {times} |" in text
    assert "| raw ASGI | 100 (90 to 110) | 1 | 1.0 ms | 20.0 µs (1.00) |" in text
    assert "| JSON route, over raw ASGI | 1.20 µs (1.00 to 1.50) | 2 µs |" in text
    assert "5 rounds of 2 seconds each, 2026-01-31." in text


def test_kick_on_uvicorn_is_compared_with_raw_asgi_there(found: Results, written: Path) -> None:
    assert "plain uvicorn" not in (written / "benchmarks.md").read_text()
    base = [100.0, 110.0, 90.0, 100.0, 100.0]
    for name, ratio in (("raw ASGI on uvicorn", 0.5), ("kick on uvicorn", 0.46)):
        found.rows["json"][name] = Figure([each * ratio for each in base], base, [1.0] * 5, [20.0] * 5)
    page.write(found)
    text = (written / "benchmarks.md").read_text()
    assert "| GET, JSON of a dict | 0.92 (0.92 to 0.92) | 0.90 | reached |\n" in text
    assert "| raw ASGI on uvicorn | 50 (45 to 55) | 0.50 (0.50 to 0.50) |" in text
    assert "raw ASGI on uvicorn" not in (written / "images" / "benchmarks-http.svg").read_text()


def test_few_rounds_are_no_result(found: Results, written: Path) -> None:
    assert "No result" not in (written / "benchmarks.md").read_text()
    found.rows["json"]["Falcon"] = Figure([1.0, 2.0], [1.0, 2.0], [1.0] * 2, [1.0] * 2)
    page.write(found)
    assert "**No result:** 2 of 5 rounds" in (written / "benchmarks.md").read_text()
    assert "NO RESULT" in (written / "images" / "benchmarks.svg").read_text()


def test_kick_is_compared_with_starsessions_on_redis(found: Results, written: Path) -> None:
    found.rows["redis-read"] = {"kick": Figure([60.0], [100.0]), "starsessions": Figure([20.0], [100.0])}
    page.write(found)
    assert "kick answers 3.0 (session read) times as many" in (written / "benchmarks.md").read_text()


@pytest.mark.parametrize(("theirs", "verdict"), [(5.0, ""), (12.5, " (goal 10: missed)")])
def test_kick_is_compared_with_django_on_postgresql(found: Results, written: Path, theirs: float, verdict: str) -> None:
    found.rows["postgres-change"] = {"kick": Figure([50.0], [100.0]), "Django": Figure([theirs], [100.0])}
    page.write(found)
    times = f"{50 / theirs:.1f} (session changed) times as many requests as Django{verdict}."
    assert f"On PostgreSQL kick answers {times}" in (written / "benchmarks.md").read_text()


def test_the_page_tells_both_ends_of_a_line_and_what_was_meant(found: Results, written: Path) -> None:
    found.growth[0].note = "flat"
    page.write(found)
    line = "| Routes, static | 2.00 µs at 1 | 2.10 µs at 10,000 | flat |"
    assert line in (written / "benchmarks.md").read_text()


def test_the_page_says_who_was_not_timed_and_why(written: Path) -> None:
    assert "- Robyn, in `json`: not installed: no wheel" in (written / "benchmarks.md").read_text()


def test_every_picture_of_the_page_is_there_and_stays_within_its_frame(written: Path) -> None:
    text = (written / "benchmarks.md").read_text()
    for picture in (written / "images").glob("*.svg"):
        assert picture.name == "benchmarks.svg" or f"images/{picture.name}" in text
        root = ElementTree.fromstring(picture.read_text())
        height = float(root.attrib["height"])
        for bar in root.iter(f"{SVG}rect"):
            assert 0 <= float(bar.attrib["x"]) <= float(bar.attrib["x"]) + float(bar.attrib["width"]) <= WIDTH
        assert all(0 < float(each.attrib["y"]) < height for each in root.iter(f"{SVG}text"))
        assert "prefers-color-scheme: dark" in picture.read_text()
    assert len(list((written / "images").iterdir())) == 3


@pytest.mark.process
def test_results_are_read_as_they_were_written(found: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FILE", tmp_path / "results" / "latest.json")
    assert results.load() == Results()
    results.save(found)
    assert results.load() == found


def test_what_is_measured_again_replaces_what_was(found: Results) -> None:
    found.forget("json", "kick")
    found.forget("json", "Robyn")
    assert found.figure("json", "kick") == Figure()
    assert found.absent["json"] == {}
    found.replace_samples([Sample("JSON route, over raw ASGI", "µs", [9.0]), Sample("new", "ms", [1.0])])
    assert [(each.name, each.median) for each in found.samples] == [("JSON route, over raw ASGI", 9.0), ("new", 1.0)]

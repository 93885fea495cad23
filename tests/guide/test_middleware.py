"""The page about middleware: its applications do what is said of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kick import KickError, bootstrap
from kick.http import Middleware
from kick.testing import TestClient
from tests.guide.pages import GUIDE, application, names_of


def test_a_function_changes_the_response() -> None:
    with TestClient(application("middleware.md", "A function")) as client:
        assert client.get("/notes").headers["server-timing"].startswith("app;dur=")
        assert client.get("/nothing").headers["server-timing"].startswith("app;dur=")


def test_a_class_runs_on_its_routes_and_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = names_of("middleware.md", "A class")
    (audit,) = [layer for layer in names["app"].middleware if isinstance(layer, names["AuditLog"])]
    with TestClient(names["app"]) as client:
        client.get("/notes")
        client.delete("/notes/7")
        client.delete("/nothing")
        assert not audit.file.closed
    assert audit.file.closed
    assert re.fullmatch(r"\S+ DELETE /notes/7 204\n", (tmp_path / "audit.log").read_text())


def test_a_class_reports_a_mistake_at_start_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    audit_log = names_of("middleware.md", "A class")["AuditLog"]
    first, second = audit_log(tmp_path / "a"), audit_log(tmp_path / "b")
    with pytest.raises(KickError, match="AuditLog is listed twice"):
        bootstrap([], [first, second])


def test_the_class_takes_forty_lines_at_most() -> None:
    page = (GUIDE / "middleware.md").read_text()
    found = re.search(r"^class AuditLog.*?(?=\n\n\n)", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    assert len(found[0].splitlines()) <= 40


def test_the_table_names_all_that_a_middleware_has() -> None:
    page = (GUIDE / "middleware.md").read_text()
    hooks = {name for name in vars(Middleware) if not name.startswith("_")}
    assert [name for name in hooks if f"| `{name}" not in page] == []


def test_middleware_answers_itself_and_hears_of_the_end() -> None:
    names = names_of("middleware.md", "The context")
    with TestClient(names["app"]) as client:
        refused = client.get("/old")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "3600")
        assert refused.json()["detail"] == "Back at noon."
        assert client.get("/new").json() == "new"
    assert names["ended"] == ["/old", "/new"]


def test_signed_cookies_have_one_secret() -> None:
    with TestClient(application("middleware.md", "Signed cookies")) as client:
        assert client.get("/theme").json() == {"theme": None}
        assert client.get("/theme").json() == {"theme": "dark"}

"""The page about middleware: its applications do what is said of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kick import Controller, Delete, KickError, Module, bootstrap
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
    assert re.fullmatch(r"\S+ DELETE '/notes/7' 204\n", (tmp_path / "audit.log").read_text())


@pytest.mark.parametrize(
    "sent", ["%0A", "%0D", "%0D%0A", "%E2%80%A8", "%C2%85", "%0B", "%1B%5B2J", "%27%0A", "'%22%0A"]
)
def test_a_class_writes_one_line_for_a_request_whatever_its_path_has(
    sent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @Controller("/files")
    class FileController:
        @Delete("/{name}")
        async def delete(self, name: str) -> None: ...

    monkeypatch.chdir(tmp_path)
    audit_log = names_of("middleware.md", "A class")["AuditLog"]
    app = bootstrap([Module("files", controllers=[FileController])], [audit_log(tmp_path / "audit.log")])
    with TestClient(app) as client:
        assert client.delete(f"/files/7{sent}1.2.3.4 DELETE %2Fnotes%2F9 204").status_code == 204
    [line] = (tmp_path / "audit.log").read_bytes().decode().splitlines()
    assert line.isprintable()
    assert re.fullmatch(r"""\S+ DELETE ('|")/files/7.*\1 204""", line)


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

"""What the README shows is what happens."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kick.testing import TestClient

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SESSION_SECRET", "a secret of the tests, more than 32 bytes long")
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(blocks("python")[0], "README.md", "exec"), names)
    return names["app"]


def test_the_application_is_about_thirty_lines() -> None:
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 30


def test_the_application_logs_in_counts_and_logs_out(app: Any) -> None:
    with TestClient(app) as client:
        assert client.get("/auth/me").status_code == 401
        assert client.post("/auth/login", json={"name": "Ada"}).json() == {"hello": "Ada"}
        cookie = client.cookies["kick.sid"]
        assert client.get("/auth/me").json() == {"name": "Ada", "visits": 1}
        assert client.get("/auth/me").json() == {"name": "Ada", "visits": 2}
        assert client.post("/auth/logout").status_code == 204
        client.cookies.set("kick.sid", cookie)
        assert client.get("/auth/me").status_code == 401


def test_the_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = [line for block in blocks("console") for line in block.splitlines() if line.startswith("$ make")]
    assert len(commands) == 4
    for target in ("demo", "test"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_it_leads_from_what_it_is_for_to_a_project() -> None:
    assert re.findall(r"^## (.*)", README, re.MULTILINE)[:5] == [
        *("Install", "An application", "Run", "Start a project", "Sessions"),
    ]
    assert "pip install" in blocks("console")[0]


def test_every_link_and_picture_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (ROOT / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("page", sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")))
def test_pages_install_kick_from_a_checkout_or_add_extras_to_it(page: str) -> None:
    """No index has it yet; pip does not ask one for extras of what is installed."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in re.findall(r"^\$ pip install (.*)", (ROOT / page).read_text(), re.MULTILINE):
        for asked in re.findall(r"'?((?:\.\./)?kick[^' ]*)'?", line.partition("#")[0]):
            found = re.fullmatch(r"(?:\.\./kick|kick-framework)\[([a-z,]+)\]", asked)
            assert found, asked
            assert set(found[1].split(",")) <= set(extras)


@pytest.mark.parametrize("page", sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("examples/*/README.md")))
def test_examples_install_kick_from_where_they_are(page: str) -> None:
    """No index has it yet."""
    installs = re.findall(r"^\$ pip install (.*)", (ROOT / page).read_text(), re.MULTILINE)
    assert all("../.." in each and "kick-framework" not in each for each in installs)

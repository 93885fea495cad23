"""Documents of whole applications: the examples, the shop of the tests, and what `kick new` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kick.cli.program import program
from tests.cli.support import kick
from tests.openapi.support import checked, fits
from tests.shop.app import Settings, create_app
from tests.support.serving import ROOT

SECRET = "a secret of at least thirty-two bytes"
EXAMPLES = [
    ("hello:app", "examples"),
    ("custom_store:app", "examples"),
    ("app:app", "examples/auth"),
    ("app:app", "examples/chat"),
    ("app:app", "examples/devices"),
    ("app:app", "examples/oauth"),
    ("main:app", "examples/shop"),
]


def document_at(folder: Path, *target: str, **variables: str) -> dict[str, Any]:
    run = kick("openapi", *target, cwd=folder, SESSION_SECRET=SECRET, **variables)
    assert run.returncode == 0, run.stderr
    document: dict[str, Any] = json.loads(run.stdout)
    return document


@pytest.mark.process
@pytest.mark.parametrize(("target", "folder"), EXAMPLES)
def test_the_document_of_each_example_is_valid(target: str, folder: str, tmp_path: Path) -> None:
    variables = {"AUTH_FOLDER": str(tmp_path), "PICTURES": str(tmp_path), "SESSION_STORE": "memory://"}
    document = checked(document_at(ROOT / folder, target, **variables))
    assert document["paths"]
    assert all_examples_fit(document) >= 0


def test_the_examples_are_all_here() -> None:
    """Those that are made of a framework of somebody else have no document of kick."""
    modules = [*(ROOT / "examples").glob("*.py"), *(ROOT / "examples").glob("*/app.py")]
    own = [path for path in modules if "bootstrap(" in path.read_text()]
    found = {path.parent.name if path.name == "app.py" else path.stem for path in own}
    assert found == {Path(folder).name if folder != "examples" else target[:-4] for target, folder in EXAMPLES}


def test_the_document_of_the_shop_is_valid(tmp_path: Path) -> None:
    app = create_app(Settings(tmp_path / "shop.db"))
    document = checked(app.openapi())
    assert {"/products", "/products/{product_id}", "/health/ready"} <= document["paths"].keys()
    all_examples_fit(document)


@pytest.mark.process
@pytest.mark.parametrize(
    ("template", "database"),
    [("api", "sqlalchemy"), ("api", "none"), ("web", "sqlalchemy"), ("web", "none"), ("minimal", "none")],
)
def test_the_document_of_each_template_is_valid(
    template: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_of(template, tmp_path, monkeypatch, "--database", database)
    document = checked(document_at(project))
    assert document["paths"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (path, method)
            assert operation["responses"], (path, method)


@pytest.mark.process
def test_a_generated_resource_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = project_of("api", tmp_path, monkeypatch, "--database", "none")
    monkeypatch.chdir(project)
    made = CliRunner().invoke(program, ["generate", "resource", "book", "title:str", "pages:int?"])
    assert made.exit_code == 0, made.output
    document = checked(document_at(project))
    found = {
        f"{method} {path}": (operation["summary"], [status for status in operation["responses"] if status < "422"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["tags"] == ["books"]
    }
    assert found == {
        "get /books": ("List books, one page of them, the newest first", ["200", "400"]),
        "post /books": ("Create a book", ["201", "400", "403", "413", "415"]),
        "get /books/{book_id}": ("Show a book", ["200", "404"]),
        "put /books/{book_id}": ("Replace a book", ["200", "400", "403", "404", "413", "415"]),
        "delete /books/{book_id}": ("Delete a book", ["204", "403", "404"]),
    }
    schemas = document["components"]["schemas"]
    assert list(schemas["Book"]["properties"]) == ["title", "pages", "id"]
    assert schemas["BookBody"]["required"] == ["title"]


def project_of(template: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Path:
    """A new project in a folder."""
    monkeypatch.chdir(folder)
    made = CliRunner().invoke(program, ["new", "my-app", "--template", template, "--no-git", *options])
    assert made.exit_code == 0, made.output
    return folder / "my-app"


def all_examples_fit(document: Any) -> int:
    """How many examples and defaults there are in the schemas of a document; each fits its schema."""
    count, left = 0, [document["components"]["schemas"], document["paths"]]
    while left:
        value = left.pop()
        left += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if isinstance(value, dict) and ({"type", "$ref", "anyOf"} & value.keys()):
            given = value.get("examples", [])
            for example in [*given, *([value["default"]] if "default" in value else [])]:
                count += 1
                assert fits(document, value, example), (value, example)
    return count

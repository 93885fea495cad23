"""What `kick generate` writes, in a project that `kick new` wrote, under that project's own checks."""

import subprocess
import sys
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.cli.support import environment, kick
from tests.support.postgres import PostgresServer

CHECKS = (("ruff", "check"), ("ruff", "format", "--check"), ("pytest", "-q", "-p", "no:asyncio"))
"""pytest-asyncio is there for tests of kick's plugin. Types are checked with those of the whole project:
`tests/cli/test_first_steps.py`."""
EVERY_TYPE = ("a:str", "b:int", "c:float", "d:bool", "e:uuid", "f:datetime", "date:date", "g:decimal")
BOOK = ("g", "resource", "book", "title:str")
GUARDED = """\
from kick.testing import TestClient


def test_it_needs_a_login(client: TestClient) -> None:
    assert client.get("/books").status_code == 401
    client.login(1)
    assert client.get("/books").status_code == 200
"""
LIMITED = """\
from kick.testing import TestClient

FULL = {
    "title": "x" * 1000,
    "summary": "x" * 1000,
    "tags": ["x" * 1000] * 100,
    "sizes": [1] * 100,
    "price": "9999999999.99",
    "rates": ["0." + "1" * 38] * 100,
}
JSON = {"accept": "application/json"}


def test_there_are_limits_when_it_is_created_and_replaced(client: TestClient) -> None:
    path = f"/books/{client.post('/books', json=FULL).json()['id']}"
    stored = client.get(path).json()
    for name, value in (
        ("title", "x" * 1001),
        ("summary", "x" * 1001),
        ("tags", ["x" * 1001]),
        ("tags", ["x"] * 101),
        ("sizes", [1] * 101),
    ):
        for method, target in (("POST", "/books"), ("PUT", path)):
            answer = client.request(method, target, json={**FULL, name: value}, headers=JSON)
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["location"].startswith(f"/body/{name}")
    for name, value in (
        ("price", "1" * 41),
        ("price", "1." + "0" * 10_000),
        ("rates", ["1", "1" * 41]),
        ("rates", ["1." + "0" * 10_000]),
    ):
        for method, target in (("POST", "/books"), ("PUT", path)):
            answer = client.request(method, target, json={**FULL, name: value}, headers=JSON)
            assert answer.status_code == 422
    assert client.get("/books").json() == [stored]
"""
NUL = """\
import pytest
from kick.testing import TestClient

FULL = {"words": "x", "texts": ["x"], "maybe": "x"}
JSON = {"accept": "application/json"}


@pytest.mark.parametrize("wrong", [{"words": "a\\0"}, {"maybe": "\\0"}])
def test_a_nul_is_refused(client: TestClient, wrong: dict[str, object]) -> None:
    before = client.post("/texts", json=FULL).json()
    for answer in (
        client.post("/texts", json=FULL | wrong, headers=JSON),
        client.put(f"/texts/{before['id']}", json=FULL | wrong, headers=JSON),
    ):
        assert answer.status_code == 422
    assert client.get("/texts").json() == [before]
"""
IN_MEMORY = """\
from collections.abc import Iterator

import pytest
from kick import bootstrap
from kick.testing import TestClient
from my_app.books.module import BooksModule


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(bootstrap([BooksModule])) as client:
        yield client
"""
STORED = """

def test_a_number_without_room_is_refused(client: TestClient) -> None:
    for price in ("10000000000", "-1e30", "1e400", "1" * 10000, "1e999999999"):
        answer = client.post("/books", json={**FULL, "price": price}, headers=JSON)
        assert answer.status_code == 422
    assert client.get("/books").json() == []
"""
FLAT = """\
from kick import bootstrap

MODULES = []  # every one of them

app = bootstrap(MODULES)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(tmp_path)


def make(folder: Path, *options: str) -> Path:
    run = kick("new", "my-app", "--yes", "--no-git", *options, cwd=folder)
    assert run.returncode == 0, run.stderr
    return folder / "my-app"


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(FLAT)
    return tmp_path


def generate(folder: Path, *arguments: str) -> str:
    run = kick("generate", *arguments, cwd=folder)
    assert run.returncode == 0, run.stderr
    return run.stdout


def check(folder: Path, *command: str, **variables: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, f"{' '.join(command)}\n{run.stdout}\n{run.stderr}"


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize(
    ("template", "database"),
    [
        ("api", "sqlalchemy"),
        pytest.param("api", "none", marks=pytest.mark.nightly),
        pytest.param("web", "sqlalchemy", marks=pytest.mark.nightly),
        ("web", "none"),
    ],
)
def test_everything_that_is_generated_passes_the_checks_of_its_project(
    tmp_path: Path, template: str, database: str
) -> None:
    project = make(tmp_path, "--template", template, "--database", database)
    generate(project, "resource", "book", *EVERY_TYPE, *(f"maybe_{each}?" for each in EVERY_TYPE))
    generate(project, "resource", "sheep", "--plural", "sheep", "names:list[str]", "days:list[date]?")
    generate(project, "resource", "category", "name:str?")
    generate(project, "resource", "a" * 24, f"{'b' * 32}:datetime?")
    generate(project, "module", "shop")
    generate(project, "controller", "shop")
    generate(project, "controller", "HelloWorld")
    for kind in ("service", "middleware", "guard", "provider", "test"):
        generate(project, kind, "tea-cup")
    for each in CHECKS:
        check(project, *each)
    routes = kick("routes", cwd=project).stdout
    for path in ("/books/{book_id}", "/sheep/{sheep_id}", "/categories", "/shop", "/hello-world"):
        assert path in routes


@pytest.mark.parametrize(("template", "driver"), [("api", "psycopg"), ("api", "asyncpg"), ("web", "psycopg")])
def test_a_project_and_its_resources_pass_their_tests_on_postgresql(
    tmp_path: Path, template: str, driver: str, postgres_server: PostgresServer
) -> None:
    project = make(tmp_path, "--template", template)
    generate(project, "resource", "book", *EVERY_TYPE, *(f"maybe_{each}?" for each in EVERY_TYPE))
    generate(project, "resource", "sheep", "--plural", "sheep", "names:list[str]", "days:list[date]?")
    generate(project, "resource", "text", "words:str", "texts:list[str]", "maybe:str?")
    (project / "tests" / "test_nul.py").write_text(NUL)
    name = f"project_{template}_{driver}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    url = postgres_server.url.replace("postgresql://", f"postgresql+{driver}://").replace("/postgres", f"/{name}")
    check(project, "pytest", "-q", "-p", "no:asyncio", TEST_DATABASE_URL=url)
    with psycopg.connect(postgres_server.url.replace("/postgres", f"/{name}")) as connection:
        for table in ("users", "notes", "books", "sheep"):  # every test was rolled back
            assert connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(table))).fetchone() == (0,)
    check(project, "alembic", "check", DATABASE_URL=url)


def test_a_resource_is_stored_where_the_project_has_a_database(project: Path) -> None:
    shown = generate(project, "resource", "book", "title:str", "price:decimal")
    assert "bring the database up to date: make migrate" in shown
    (migration,) = (project / "migrations" / "versions").glob("*_books.py")
    assert 'down_revision = "0001"' in migration.read_text()
    assert "price: Mapped[Decimal] = mapped_column(TwoDecimals)" in (project / "my_app/books/tables.py").read_text()
    columns = (project / "my_app" / "columns.py").read_text()
    generate(project, "resource", "film", "title:str", "at:datetime")  # `columns.py` is there
    assert (project / "my_app" / "columns.py").read_text() == columns
    (second,) = (project / "migrations" / "versions").glob("*_films.py")
    assert f'down_revision = "{migration.name.partition("_")[0]}"' in second.read_text()
    (project / "migrations" / "versions" / "fork.py").write_text('revision = "f"\ndown_revision = "0001"\n')
    assert 'make migration m="add songs"' in generate(project, "resource", "song", "title:str")
    assert list((project / "migrations" / "versions").glob("*_songs.py")) == []


LIMITED_BOOK = (
    "resource",
    "book",
    "title:str",
    "summary:str?",
    "tags:list[str]",
    "sizes:list[int]?",
    "price:decimal",
    "rates:list[decimal]?",
)


def test_texts_lists_and_decimals_of_a_resource_have_limits_that_its_document_shows(project: Path) -> None:
    """A page of 50 books with texts of a mebibyte was an answer of 50 MiB."""
    generate(project, *LIMITED_BOOK)
    (project / "tests" / "test_limited.py").write_text(LIMITED + STORED)
    check(project, "pytest", "-q", "-p", "no:asyncio", "tests/test_limited.py")
    check(project, "ruff", "check")
    schemas = msgspec.json.decode(kick("openapi", cwd=project).stdout)["components"]["schemas"]
    for schema in (schemas["Book"], schemas["BookBody"]):
        properties = schema["properties"]
        assert properties["title"]["maxLength"] == 1000
        assert 1000 in [each.get("maxLength") for each in properties["summary"]["anyOf"]]
        assert (properties["tags"]["maxItems"], properties["tags"]["items"]["maxLength"]) == (100, 1000)
    assert "title: Mapped[str] = mapped_column(String(1000))" in (project / "my_app/books/tables.py").read_text()
    (migration,) = (project / "migrations" / "versions").glob("*_books.py")
    assert 'sa.Column("title", sa.String(length=1000), nullable=False)' in migration.read_text()


def test_so_have_those_of_a_resource_in_memory(project: Path) -> None:
    (project / "tests" / "conftest.py").unlink()
    generate(project, *LIMITED_BOOK)
    (project / "tests" / "conftest.py").write_text(IN_MEMORY)
    (project / "tests" / "test_limited.py").write_text(LIMITED)
    check(project, "pytest", "-q", "-p", "no:asyncio", "tests/test_limited.py")


@pytest.mark.parametrize("arguments", [("resource", "book", "title:str"), ("controller", "books")])
def test_it_says_that_everyone_may_call_the_new_routes(project: Path, arguments: tuple[str, ...]) -> None:
    step = "next  decide who may call these routes: @Authenticated() or @Roles(...) on BooksController"
    assert step in generate(project, *arguments)
    controller = project / "my_app" / "books" / "controller.py"
    guarded = controller.read_text().replace('@Controller("', '@Authenticated()\n@Controller("')
    controller.write_text(f"from kick.auth import Authenticated\n{guarded}")
    (project / "tests" / "test_guarded.py").write_text(GUARDED)
    check(project, "pytest", "-q", "-p", "no:asyncio", "tests/test_guarded.py")


def test_a_table_has_no_column_with_the_name_of_its_metadata(project: Path) -> None:
    before = files_of(project)
    run = kick("g", "resource", "book", "metadata:str", cwd=project)
    assert run.returncode == 1
    assert "error  generate-field" in run.stderr
    assert "metadata is an attribute of each table" in run.stderr
    assert files_of(project) == before


def test_a_project_without_a_client_for_tests_keeps_its_resource_in_memory(project: Path) -> None:
    (project / "tests" / "conftest.py").unlink()
    generate(project, "resource", "book", "title:str")
    assert "BooksInMemory" in (project / "my_app/books/repository.py").read_text()


def test_a_project_without_a_package_is_served_too(flat: Path) -> None:
    shown = generate(flat, "resource", "book", "title:str")
    assert "+MODULES = [BooksModule]  # every one of them" in shown
    source = (flat / "app.py").read_text()
    assert source.replace("[BooksModule]", "[]").replace("from books.module import BooksModule\n\n", "") == FLAT
    assert "/books/{book_id}" in kick("routes", cwd=flat).stdout
    check(flat, "pytest", "-q", "--rootdir", str(flat), "-c", "/dev/null", "-o", f"pythonpath={flat}")


def test_a_dry_run_shows_all_and_writes_nothing(project: Path) -> None:
    before = files_of(project)
    shown = generate(project, "resource", "book", "title:str", "--dry-run")
    assert files_of(project) == before
    assert "my_app/books/repository.py" in shown
    assert "+from my_app.books.module import BooksModule" in shown
    assert "Nothing was written." in shown


def test_nothing_is_overwritten_and_nothing_half_written(project: Path) -> None:
    folder = project / "my_app" / "books"
    folder.mkdir()
    (folder / "repository.py").write_text("mine = 1\n")
    before = files_of(project)
    run = kick(*BOOK, cwd=project)
    assert run.returncode == 1
    assert "error  generate-file" in run.stderr
    assert "my_app/books/repository.py" in run.stderr
    assert files_of(project) == before


def test_a_package_is_not_put_beside_a_module_of_its_name(project: Path) -> None:
    (project / "my_app" / "books.py").write_text("mine = 1\n")
    run = kick(*BOOK, cwd=project)
    assert "error  generate-file" in run.stderr
    assert "my_app/books.py" in run.stderr
    assert not (project / "my_app" / "books").exists()


def test_what_cannot_be_written_leaves_everything_as_it_was(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kick.cli.generate.changes import Changes, Edit

    app = project / "my_app" / "app.py"
    before = files_of(project)
    gone = Edit(project / "nowhere" / "app.py", b"", b"")
    new = {project / "my_app" / "books" / "module.py": "x = 1\n"}
    with pytest.raises(FileNotFoundError):
        Changes(project, new, (Edit(app, app.read_bytes(), b"x = 2\n"), gone)).write()
    assert files_of(project) == before
    assert not (project / "my_app" / "books").exists()


def test_without_a_mount_it_says_what_to_list(project: Path) -> None:
    before = (project / "my_app" / "app.py").read_text()
    shown = generate(project, "resource", "book", "title:str", "--no-mount")
    assert "list BooksModule of my_app.books.module" in shown
    assert (project / "my_app" / "app.py").read_text() == before


def test_the_second_time_is_refused(project: Path) -> None:
    generate(project, "resource", "book", "title:str")
    before = files_of(project)
    run = kick(*BOOK, cwd=project)
    assert run.returncode == 1
    assert "error  generate-file" in run.stderr
    assert files_of(project) == before


def test_a_plural_that_is_taken_for_one_is_pointed_out(flat: Path) -> None:
    run = kick("g", "resource", "books", "title:str", "--dry-run", cwd=flat)
    assert "the plural of books would be bookses" in run.stderr


def test_without_an_application_it_says_so(tmp_path: Path) -> None:
    run = kick(*BOOK, cwd=tmp_path)
    assert run.returncode == 1
    assert "error  target-missing" in run.stderr


def test_without_libcst_it_says_what_to_install(flat: Path) -> None:
    (flat / "libcst.py").write_text("raise ModuleNotFoundError\n")
    run = kick(*BOOK, cwd=flat)
    assert run.returncode == 1
    assert "error  missing-extra" in run.stderr
    assert "kick-framework[generate]" in run.stderr
    assert not (flat / "books").exists()

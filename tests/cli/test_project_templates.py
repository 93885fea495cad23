"""What `kick new` writes, as its user meets it: installed, tested, served and used.

One environment serves all the projects: the one that `make` sets up for a website on Redis, which takes every extra.
"""

import json
import re
import secrets
import shutil
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any

import pytest
import yaml
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from kick.cli.commands.start import command as start
from kick.cli.project_name import LONGEST
from kick.cli.project_templates import DATABASES, SESSIONS, TEMPLATES, contents_of, takes_database
from kick.session.stores.url import open_store
from tests.cli.projects import ADA, build, make, run
from tests.cli.support import Browser, environment, kick, running
from tests.support.browser import open_browser
from tests.support.ports import HOST, free_port
from tests.support.programs import program
from tests.support.serving import ROOT

MILK = {"title": "Buy milk", "text": "Two bottles."}
COOKIE = "__Host-kick.sid"
PACKAGES = {
    "generate": "libcst",
    "limits": "limits",
    "passwords": "argon2",
    "postgres": "psycopg",
    "redis": "redis",
    "reload": "watchfiles",
    "templates": "jinja2",
    "testing": "httpx2",
}
"""What one of the projects asks for: the module by the extra."""
OF_DATABASES = ("aiosqlite", "alembic", "sqlalchemy")

every_template = pytest.mark.parametrize("template", TEMPLATES)
every_store = pytest.mark.parametrize("store", SESSIONS)
every_database = pytest.mark.parametrize(
    ("template", "database"),
    [(each, database) for each in TEMPLATES for database in (DATABASES if takes_database(each) else ["none"])],
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with open_browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def place(folder: Path, template: str, store: str, installed: Path, *, database: str | None = None) -> Path:
    """A project whose environment is there already."""
    script = installed / "bin" / "kick"
    name = f"{template}-{store}"
    options = ["--template", template, "--session", store, "--no-git"]
    options += [] if database is None else ["--database", database]
    run([str(script), "new", name, *options], cwd=folder, env=environment(PYTHONPATH=""))
    (folder / name / ".venv").symlink_to(installed)
    (folder / name / ".venv" / ".ready").touch()
    return folder / name


@contextmanager
def served(project: Path, *arguments: str, **variables: str) -> Iterator[str]:
    """The address of a project under `kick start`, which ends well afterwards."""
    port = free_port()
    script = str(project / ".venv" / "bin" / "kick")
    options = ("--port", str(port), *arguments)
    path = str(hide_what_is_not_asked_for(project))
    if (project / "migrations").exists():
        run([".venv/bin/alembic", "upgrade", "head"], cwd=project, env=environment(PYTHONPATH=path))
    with running("start", *options, cwd=project, command=[script], PYTHONPATH=path, **variables) as process:
        process.wait_for("kick serves ")
        yield f"http://{HOST}:{port}"
        process.process.terminate()
        assert process.end() == 0
        assert "Traceback" not in process.output


def hide_what_is_not_asked_for(project: Path) -> Path:
    """A folder that makes the packages of the other projects as good as not installed: each asks for all it needs."""
    asked: list[str] = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    [ours] = [each for each in asked if each.startswith("kick-framework")]
    extras = ours.partition("[")[2].partition("]")[0].split(",")
    hidden = project.parent / f"hidden-from-{project.name}"
    hidden.mkdir(exist_ok=True)
    unasked = [module for extra, module in PACKAGES.items() if extra not in extras]
    unasked += [module for module in OF_DATABASES if not any(each.startswith(module) for each in asked)]
    for module in unasked:
        (hidden / f"{module}.py").write_text("raise ImportError\n")
    return hidden


PROJECTS = [
    pytest.param(
        *(template, database, store),
        # The tests of a project have a store of their own. So a few of the combinations tell nearly all.
        marks=[]
        if store == "sqlite" or (template, database, store) == ("api", "sqlalchemy", "postgres")
        else [pytest.mark.nightly],
    )
    for template in TEMPLATES
    for database in (DATABASES if takes_database(template) else ["none"])
    for store in SESSIONS
]


@pytest.mark.parametrize(("template", "database", "store"), PROJECTS)
def test_a_project_passes_its_own_tests(
    template: str, database: str, store: str, tmp_path: Path, installed: Path
) -> None:
    """`make test` checks the types too, once for each template: `test_first_steps.py`."""
    project = place(tmp_path, template, store, installed, database=database)
    with (project / ".env").open("a") as file:
        file.write("OF_THE_DEVELOPER=yes\n")
    (project / "tests/test_zz_environment.py").write_text(
        'import os\n\n\ndef test_no_env_file() -> None:\n    assert "OF_THE_DEVELOPER" not in os.environ\n'
    )
    for check in (("ruff", "check"), ("ruff", "format", "--check"), ("pytest",)):
        run([f".venv/bin/{check[0]}", *check[1:]], cwd=project, env=environment(PYTHONPATH=""))


@pytest.mark.parametrize(
    ("template", "database"),
    [
        ("web", "sqlalchemy"),
        pytest.param("api", "sqlalchemy", marks=pytest.mark.nightly),
        pytest.param("web", "none", marks=pytest.mark.nightly),
    ],
)
def test_the_notes_are_removed_as_the_readme_says(
    template: str, database: str, tmp_path: Path, installed: Path
) -> None:
    project = place(tmp_path, template, "sqlite", installed, database=database)
    package = project / f"{template}_sqlite"
    section = (project / "README.md").read_text().partition("## Without the notes")[2].partition("\n## ")[0]
    named = [project / each for each in re.findall(r"`([\w/]+(?:/|\.\w+))`", section) if "/" in each[1:]]
    assert [each for each in named if not each.exists()] == []
    run([".venv/bin/mypy"], cwd=project, env=environment(PYTHONPATH=""))  # it keeps what it found for the next time
    shutil.rmtree(package / "notes")
    (project / "tests/test_notes.py").unlink()
    change(package / "app.py", r"from .* import NotesModule\n|NotesModule, ", "")
    if database == "sqlalchemy":
        (message,) = re.findall(r'm="(.*?)"', section)
        run(["make", "migration", f"m={message}"], cwd=project, env=environment(PYTHONPATH=""))
        assert "drop_table" in next((project / "migrations/versions").glob("*_remove_the_notes.py")).read_text()
    else:
        table = r"(?s:CREATE TABLE IF NOT EXISTS notes \(.*?\);\n+)"
        change(package / "database.py", rf"{table}|CREATE INDEX .* ON notes .*;\n", "")
    if template == "web":
        for each in ("notes", "note"):
            (package / f"templates/{each}.html").unlink()
        for path in named:
            if path.suffix in (".py", ".html") and path.name not in ("app.py", "test_notes.py", "database.py"):
                change(path, "/notes", "/devices")
    for check in (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",), ("pytest",)):
        run([f".venv/bin/{check[0]}", *check[1:]], cwd=project, env=environment(PYTHONPATH=""))


def change(path: Path, pattern: str, text: str) -> None:
    """Replace each match in a file."""
    changed, count = re.subn(pattern, text, path.read_text())
    assert count
    path.write_text(changed)


def test_the_same_two_commands_are_in_every_project_and_in_kicks_own_checkout(tmp_path: Path) -> None:
    projects = [make(tmp_path, template, "memory") for template in TEMPLATES]
    for project in projects:
        commands = re.findall(r"^\$ (make \w+) ", (project / "README.md").read_text(), re.MULTILINE)
        assert commands[:2] == ["make dev", "make test"]
    for folder in (*projects, ROOT):
        planned = run(["make", "--dry-run", "dev", "test"], cwd=folder, env=environment())
        assert all(each in planned for each in ("kick dev ", "ruff check", "mypy", "pytest"))


@every_store
@every_template
def test_kick_doctor_finds_nothing_in_a_new_project(
    template: str, store: str, tmp_path: Path, installed: Path, request: pytest.FixtureRequest
) -> None:
    project = place(tmp_path, template, store, installed)
    script = str(project / ".venv" / "bin" / "kick")
    report = run([script, "doctor", "--json"], cwd=project, env=environment(PYTHONPATH="", **at(store, request)))
    assert json.loads(report)["findings"] == []


@pytest.mark.nightly  # the tests of the removal check those of a website, too
@every_database
def test_the_types_of_a_project_are_right(template: str, database: str, tmp_path: Path, installed: Path) -> None:
    project = place(tmp_path, template, "sqlite", installed, database=database)
    run([".venv/bin/mypy"], cwd=project, env=environment(PYTHONPATH=""))


@every_store
def test_the_api_is_used_by_somebody_with_two_devices(
    store: str, tmp_path: Path, installed: Path, request: pytest.FixtureRequest
) -> None:
    project = place(tmp_path, "api", store, installed)
    where = at(store, request)
    with served(project, **workers(store), **where) as url:
        laptop, phone = Browser(url), Browser(url)
        first = register_and_write(laptop)
        assert phone.post("/auth/login", ADA).status == 200
        assert [each["is_this"] for each in phone.get("/auth/devices").json].count(True) == 1
        assert phone.post("/auth/devices/end-others", {"password": "guessed"}).status == 403
        assert phone.post("/auth/devices/end-others", {"password": ADA["password"]}).json == {"ended": 1}
        assert laptop.get("/auth/me").status == 401
        assert phone.get("/notes").json == [{**MILK, "id": 1}]
        kept = phone.cookies[COOKIE]
        assert phone.get("/health/ready").status == 200
    with served(project, **where) as url:
        status = Browser(url).get("/auth/me", cookie=f"{COOKIE}={kept}").status
        assert status == (401 if store == "memory" else 200)
        assert Browser(url).post("/auth/logout", cookie=f"{COOKIE}={kept}").status == 204
        for cookie in (first, kept):
            assert Browser(url).get("/auth/me", cookie=f"{COOKIE}={cookie}").status == 401


def register_and_write(browser: Browser) -> str:
    """Be nobody, register, be refused, log in, write a note; the cookie."""
    assert browser.get("/auth/me").status == 401
    assert browser.cookies == {}
    assert browser.post("/auth/register", ADA).status == 201
    assert all(map(is_well_kept, browser.jar))
    assert browser.get("/auth/me").json == {"id": 1, "email": "ada@example.com"}
    before = browser.cookies[COOKIE]
    assert browser.post("/auth/login", {**ADA, "password": "wrong"}).status == 401
    assert browser.post("/auth/login", ADA).status == 200
    assert browser.cookies[COOKIE] != before
    assert browser.post("/notes", MILK).status == 201
    return browser.cookies[COOKIE]


def test_the_conversation_in_the_readme_is_one(tmp_path: Path, installed: Path) -> None:
    program("curl")
    project = place(tmp_path, "api", "sqlite", installed)
    readme = (project / "README.md").read_text()
    block = readme.partition("## A first conversation")[2].partition("```console\n")[2].partition("```")[0]
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    with served(project) as url:
        port = url.rpartition(":")[2]
        asked = [line.replace("localhost:8000", f"localhost:{port}") for line in lines]
        script = "\n".join(["shopt -s expand_aliases", *(f"{line}; echo" for line in asked)])
        script = script.replace("'curl ", "'curl --silent --show-error ")
        said = run(["bash", "-c", script], cwd=tmp_path, env=environment()).splitlines()
    user, note, notes, devices = (json.loads(line) for line in said if line)
    assert user == {"id": 1, "email": "ada@example.com"}
    assert note == {**MILK, "id": 1}
    assert notes == [note]
    assert [each["is_this"] for each in devices] == [True]
    assert COOKIE not in (tmp_path / "jar").read_text()  # after the logout


@every_store
def test_the_website_is_used_in_a_browser(
    store: str, tmp_path: Path, installed: Path, chromium: Chrome, request: pytest.FixtureRequest
) -> None:
    project = place(tmp_path, "web", store, installed)
    with served(project, **workers(store), **at(store, request)) as url:
        page = Page(chromium, url)
        page.open("/notes")
        assert page.path == "/login"
        page.open("/register")
        page.send(**ADA)
        assert page.path == "/notes"
        assert page.text(".message") == "Welcome! Your account is ready."
        page.send(title="<b>Buy milk</b>", text="Two bottles.")
        assert page.text(".notes h2") == "<b>Buy milk</b>"
        page.click(".notes a")
        page.send(title="Bake bread")
        assert page.text(".message") == "“Bake bread” is saved."
        page.click(".notes a")
        page.one("#remove").click()
        chromium.switch_to.alert.dismiss()  # the script with the nonce asks
        assert page.path == "/notes/1"
        page.click("#remove", confirm=True)
        assert page.text(".empty").startswith("No notes yet.")
        end_other_devices(page, Browser(url))
        page.click("nav button")
        assert page.text("h1") == "Write it down."
        page.open("/devices")
        assert page.path == "/login"
        page.send(email=ADA["email"], password="wrong")
        assert page.text(".problem") == "The address or the password is wrong."
        page.send(password=ADA["password"])
        assert page.path == "/devices"
        assert page.complaints() == []


def end_other_devices(page: "Page", phone: Browser) -> None:
    assert "Welcome" in phone.submit("/register", {**ADA, "email": "bob@example.com"}).text
    assert "No notes yet." in phone.submit("/login", ADA).text
    page.open("/devices")
    assert page.text("mark") == "this one"
    page.send(password=ADA["password"])
    assert page.text(".message") == "Logged out on 1 other device."
    assert "Log in" in phone.get("/notes").text


@every_store
def test_the_minimal_project_counts(
    store: str, tmp_path: Path, installed: Path, request: pytest.FixtureRequest
) -> None:
    project = place(tmp_path, "minimal", store, installed)
    where = at(store, request)
    with served(project, **workers(store), **where) as url:
        browser = Browser(url)
        assert [browser.get("/").json["visits"] for _ in range(3)] == [1, 2, 3]
        assert Browser(url).get("/").json == {"visits": 1}
        kept = browser.cookies[COOKIE]
    with served(project, **where) as url:
        again = Browser(url).get("/", cookie=f"{COOKIE}={kept}").json
        assert again == {"visits": 1 if store == "memory" else 4}


def test_several_workers_are_refused_on_memory(tmp_path: Path) -> None:
    refused = kick("start", "--workers", "2", cwd=make(tmp_path, "api", "memory"))
    assert refused.returncode == 1
    assert "error  session-store-not-shared" in refused.stderr


@every_template
@pytest.mark.parametrize("name", ["x", "a" * LONGEST])
def test_a_short_and_a_long_name_pass_the_style_checks_too(tmp_path: Path, template: str, name: str) -> None:
    kick("new", name, "--template", template, "--no-git", cwd=tmp_path)
    for check in (("ruff", "check"), ("ruff", "format", "--check")):
        run([sys.executable, "-m", *check], cwd=tmp_path / name, env=environment())


def test_without_a_secret_the_error_says_how_to_draw_one_and_make_does(tmp_path: Path, installed: Path) -> None:
    project = place(tmp_path, "api", "memory", installed)
    (project / ".env").unlink()
    refused = kick("start", cwd=project)
    assert refused.returncode == 1
    assert "error  environment-missing" in refused.stderr
    assert "`kick secret --env`" in refused.stderr
    run(["make", ".env"], cwd=project, env=environment(PYTHONPATH=""))
    with served(project) as url:
        assert Browser(url).get("/health/ready").status == 200


def test_a_secret_that_was_rotated_is_two(tmp_path: Path, installed: Path) -> None:
    project = place(tmp_path, "minimal", "sqlite", installed)
    old, new = secrets.token_urlsafe(48), secrets.token_urlsafe(48)
    with served(project, SESSION_SECRET=old) as url:
        browser = Browser(url)
        browser.get("/")
    with served(project, SESSION_SECRET=f"{new},{old}") as url:
        kept = browser.cookies[COOKIE]
        assert Browser(url).get("/", cookie=f"{COOKIE}={kept}").json == {"visits": 2}


@pytest.mark.parametrize("template", ["web", "minimal"])
def test_what_a_container_installs_has_all_of_the_application(tmp_path: Path, template: str) -> None:
    project = make(tmp_path, template, "sqlite")
    [wheel] = build(project, tmp_path)
    inside = {path for path in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in path}
    package = f"{template}_sqlite"
    if template == "minimal":
        assert inside == {"app.py"}
    else:
        assert inside == {str(each.relative_to(project)) for each in (project / package).rglob("*") if each.is_file()}


@every_template
def test_projects_that_share_a_redis_have_prefixes_of_their_own(template: str) -> None:
    prefixes = set()
    for name in ("my-app", "other"):
        contents = contents_of(name, template, "redis")
        compose = yaml.safe_load(contents["compose.yaml"])
        env = dict(line.split("=", 1) for line in str(contents[".env"]).splitlines() if "=" in line and line[0] != "#")
        for url in (env["SESSION_STORE"], compose["services"]["app"]["environment"]["SESSION_STORE"]):
            prefixes.add(open_store(url).prefix)  # type: ignore[attr-defined]
    assert prefixes == {"my_app:", "other:"}


def test_projects_that_share_a_postgresql_have_tables_of_their_own() -> None:
    tables = set()
    for name in ("my-app", "other", "a" * 32):
        contents = contents_of(name, "api", "postgres")
        compose = yaml.safe_load(contents["compose.yaml"])
        env = dict(line.split("=", 1) for line in str(contents[".env"]).splitlines() if "=" in line and line[0] != "#")
        for url in (env["SESSION_STORE"], compose["services"]["app"]["environment"]["SESSION_STORE"]):
            tables.add(open_store(url).table)  # type: ignore[attr-defined]
    assert tables == {"my_app_sessions", "other_sessions", f"{'a' * 32}_sessions"}


@every_store
@every_template
def test_the_compose_file_has_what_the_application_needs(template: str, store: str) -> None:
    contents = {path: text for path, text in contents_of("my-app", template, store).items() if isinstance(text, str)}
    compose: dict[str, Any] = yaml.safe_load(contents["compose.yaml"])
    services, volumes = compose["services"], set(compose.get("volumes", ()))
    assert services.keys() - {"app", "migrate"} == {store} & {"postgres", "redis"}
    mounted = {mount.partition(":")[0] for each in services.values() for mount in each.get("volumes", ())}
    assert mounted == volumes
    keeps_data = template != "minimal" or store == "sqlite"
    assert ("data" in volumes) is keeps_data
    assert ("/data" in contents["Dockerfile"]) is keeps_data
    told: dict[str, str] = services["app"]["environment"]
    assert told["SESSION_STORE"] == SESSIONS[store].container_url.replace("{{ package }}", "my_app")
    assert told.get("DATABASE_URL") == (None if template == "minimal" else "sqlite+aiosqlite:////data/notes.db")
    assert ("migrate" in services) is (template != "minimal")
    if template != "minimal":
        assert services["migrate"]["environment"]["DATABASE_URL"] == told["DATABASE_URL"]
        assert services["app"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["app"]["env_file"] == ".env"  # the secret is there
    assert contents[".dockerignore"].splitlines()[0] == ".env"  # and not in the image
    [grace] = [each for each in start.params if each.name == "graceful_timeout"]
    assert isinstance(grace.default, int)
    assert int(services["app"]["stop_grace_period"].removesuffix("s")) > grace.default
    if store == "redis":
        assert services["app"]["depends_on"]["redis"] == {"condition": "service_healthy"}
        assert services["redis"]["healthcheck"]["test"] == ["CMD", "redis-cli", "ping"]
        assert "--appendonly yes" in services["redis"]["command"]
        assert services["redis"]["volumes"] == ["redis:/data"]
    if store == "postgres":
        assert services["app"]["depends_on"]["postgres"] == {"condition": "service_healthy"}
        assert services["postgres"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
        assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]  # of image 18 and later
        assert "ports" not in services["postgres"]


class Page:
    """The page that a browser shows; what is done returns when the next page is there."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self._browser = browser
        self._url = url
        browser.delete_all_cookies()

    @property
    def path(self) -> str:
        return self._browser.execute_script("return location.pathname")

    def open(self, path: str) -> None:
        self._browser.get(self._url + path)

    def one(self, selector: str) -> Any:
        return self._browser.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return str(self.one(selector).text)

    def send(self, **fields: str) -> None:
        """Fill in the form and send it."""
        for name, value in fields.items():
            box = self.one(f"main [name={name}]")
            box.clear()
            box.send_keys(value)
        self.click("main form button")

    def click(self, selector: str, *, confirm: bool = False) -> None:
        """Click on what leads to another page."""
        self._browser.execute_script("window.isLeft = true")
        self.one(selector).click()
        if confirm:
            self._browser.switch_to.alert.accept()
        arrived = "return !window.isLeft && document.readyState === 'complete'"
        WebDriverWait(self._browser, 15, 0.05).until(lambda browser: browser.execute_script(arrived), selector)

    def complaints(self) -> list[str]:
        """What the console says, such as that the policy forbids something; refused logins left out."""
        logged = self._browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [each["message"] for each in logged if "401 (Unauthorized)" not in each["message"]]


def at(store: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Where the sessions are; the servers of the tests are not where a project looks by itself."""
    if store == "postgres":
        return {"SESSION_STORE": f"{request.getfixturevalue('postgres_url')}&migrate=yes"}
    return {"SESSION_STORE": request.getfixturevalue("redis_url")} if store == "redis" else {}


def workers(store: str) -> dict[str, str]:
    return {} if store == "memory" else {"WEB_CONCURRENCY": "2"}


def is_well_kept(cookie: Cookie) -> bool:
    """Whether a script cannot read a cookie, and http does not carry it."""
    return cookie.secure and cookie.has_nonstandard_attr("HttpOnly")

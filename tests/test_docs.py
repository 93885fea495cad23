"""What the pages beside the guide show is what happens; `tests/guide` has the guide."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import msgspec
import pytest
from click.testing import CliRunner

from kick import Controller, Get, Module, Post, RequestContext, Response
from kick.auth import login
from kick.cli.program import program
from kick.session import session
from kick.testing import TestClient
from tests.http.support import app_of, ask
from tests.support.serving import ROOT

SECRET = "a secret of the tests, more than 32 bytes long"
SESSIONS = "docs/sessions.md"
INDEX = "docs/index.md"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_no_other_page_has_code_that_no_test_runs() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    counted = {str(page.relative_to(ROOT)): len(blocks(str(page), "python")) for page in pages}
    assert {page: count for page, count in counted.items() if count} == {"README.md": 1, INDEX: 2, SESSIONS: 6}


async def test_the_first_page_shows_an_application_with_injection() -> None:
    names: dict[str, Any] = {}
    exec(blocks(INDEX, "python")[0], names)
    answers = [await ask(names["app"], path) for path in ("/notes/1", "/notes/2", "/notes/x")]
    assert [answer.status for answer in answers] == [200, 404, 404]
    assert answers[0].json() == "Buy milk"


def test_the_first_page_shows_a_cart_that_keeps_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SESSION_SECRET", SECRET)
    names: dict[str, Any] = {}
    exec(blocks(INDEX, "python")[1], names)
    with TestClient(names["app"]) as client:
        assert [client.post(f"/cart/{item}").json() for item in ("tea", "milk")] == [["tea"], ["tea", "milk"]]


async def test_what_a_handler_does_with_a_session() -> None:
    in_a_handler, *_ = blocks(SESSIONS, "python")
    code = compile(in_a_handler, SESSIONS, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    visits: list[int] = []

    @Controller()
    class Pages:
        @Get()
        async def page(self, ctx: RequestContext) -> None:
            ctx.session.data.update(cart=[], address={})
            names: dict[str, Any] = {"ctx": ctx, "user": SimpleNamespace(id=7), "item": "tea"}
            await eval(code, names)
            visits.append(names["visits"])
            assert names["cart"] == ["tea"]

    answer = await ask(app_of(Pages, middleware=[session(SECRET)]), "/")
    assert (answer.status, visits) == (204, [1])


def controller_of(*methods: str, **given: Any) -> type:
    """Return a controller with the methods that a page shows."""
    names: dict[str, Any] = {"Get": Get, "Post": Post, "RequestContext": RequestContext, "Any": Any, "login": login}
    body = "\n".join(methods).replace("\n", "\n    ")
    exec(f"class Shown:\n    {body}", {**names, **given, "Response": Response}, names)
    shown: type = Controller()(names["Shown"])
    return shown


async def test_handlers_that_the_page_on_sessions_shows_run() -> None:
    class Item(msgspec.Struct):
        id: int

    _, add, remember, paid, *_ = blocks(SESSIONS, "python")
    log_in = f'@Post("/login")\nasync def log_in(self, ctx: RequestContext, body: Remember) -> None:\n    {remember}'

    class Remember(msgspec.Struct):
        remember: bool

    done: list[Any] = []

    async def confirm(form: Any) -> None:
        done.append(form["order"])

    given = {"Item": Item, "Remember": Remember, "user": SimpleNamespace(id=7)}
    shown = controller_of(add, log_in, paid, **given)
    shown.payments = SimpleNamespace(confirm=confirm)  # type: ignore[attr-defined]
    app = app_of(shown, middleware=[session(SECRET, save_uninitialized=False)])
    assert (await ask(app, "/cart", method="POST", json={"id": 7})).json() == [7]
    answer = await ask(app, "/login", method="POST", json={"remember": True})
    assert "Max-Age=2592000" in str(answer.header("set-cookie"))
    answer = await ask(app, "/payment/return", method="POST", form="order=5")
    assert (answer.status, answer.header("location"), done) == (303, "/orders", ["5"])


def test_a_module_has_a_session_of_its_own() -> None:
    *_, own, _ = blocks(SESSIONS, "python")
    names: dict[str, Any] = {
        "Module": Module,
        "Admin": controller_of("x = 1"),
        "session": session,
        "ADMIN_SECRET": SECRET,
    }
    exec(own, names)
    (layer,) = names["admin"].middleware
    assert (layer.manager.options.cookie.name, layer.manager.options.max_age) == ("admin.sid", 900.0)


def test_the_session_of_an_express_application_is_taken_over() -> None:
    *_, moving_in = blocks(SESSIONS, "python")
    layer = eval(moving_in, {"session": session, "SECRET": SECRET})
    assert layer.manager.options.cookie.name == "connect.sid"


def test_the_commands_about_sessions_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @Controller()
    class Login:
        @Get()
        async def login(self, ctx: RequestContext) -> None:
            ctx.session.principal = 7

    monkeypatch.chdir(tmp_path)
    app = app_of(Login, middleware=[session(SECRET, store="sqlite:///sessions.db")])
    assert anyio.run(ask, app, "/").status == 204
    anyio.run(app.aclose)
    monkeypatch.setenv("KICK_ENV", "development")  # or the command would set it, and leave it set
    monkeypatch.setenv("SESSION_STORE", "sqlite:///sessions.db")
    (console,) = blocks(SESSIONS, "console")
    commands = [shlex.split(line[2:], comments=True) for line in console.splitlines()]
    assert [command[:2] for command in commands] == [["kick", "sessions"]] * 4
    for command in commands:
        result = CliRunner().invoke(program, command[1:], input="y\n")
        assert result.exit_code == 0, result.output


def test_the_page_about_the_work_names_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\$ make (\w+)", "".join(blocks("CONTRIBUTING.md", "console")), re.MULTILINE)
    assert set(targets) == {"demo", "test", "unit", "lint", "format"}
    assert [target for target in targets if not re.search(rf"^{target}\b.*:", makefile, re.MULTILINE)] == []


def test_the_page_about_the_work_names_paths_that_are_there() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"\b(?:kick|tests|docs)/[\w/.]+\b", page))
    assert named
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def anchors(page: Path) -> set[str]:
    """Return the anchors that a Git host gives to the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
    ROOT / "benchmarks/README.md",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def programs() -> dict[str, str]:
    """Return every Python program that users may copy: the blocks of all pages, and the examples."""
    found = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "examples").rglob("*.py")}
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        found |= {f"{name}, block {number}": code for number, code in enumerate(blocks(name, "python"))}
    return found


def test_every_example_turns_save_uninitialized_off() -> None:
    seen, careless = 0, []
    for name, code in programs().items():
        tree = ast.parse(code, name)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            names = {node.id for node in (call.func, *call.args) if isinstance(node, ast.Name)}
            if "starlette.middleware.sessions" in code:
                continue  # the session of Starlette, which has no such option
            if names & {"session", "SessionMiddleware"}:
                seen += 1
                options = {option.arg: ast.unparse(option.value) for option in call.keywords}
                if options.get("save_uninitialized") != "False":
                    careless.append(name)
    assert seen > 10
    assert careless == []


def test_the_table_of_options_has_each_option_of_session() -> None:
    _, _, text = (ROOT / SESSIONS).read_text().partition("| option of `session()` |")
    rows = re.findall(r"^\| `(\w+)` \|", text.partition("\n\n")[0], re.MULTILINE)
    assert rows == sorted(rows, key=list(inspect.signature(session).parameters).index)
    assert set(rows) == set(inspect.signature(session).parameters)

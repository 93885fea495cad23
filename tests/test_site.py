"""The documentation site: its links, its reference, and the search in a real browser."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Final, cast

import griffe
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from kick import UploadFile
from kick.assembly import collector_paused
from tests.support.browser import open_browser
from tests.support.serving import ROOT
from tests.support.shared import shared_folder
from tools import site
from tools.site import BrokenSite, check_site, with_links, write_pages

PUBLIC = (
    "kick",
    "kick.auth",
    "kick.di",
    "kick.http",
    "kick.middleware",
    "kick.openapi",
    "kick.session",
    "kick.telemetry",
    "kick.testing",
)
REFERENCE = {page.stem: page.read_text() for page in (ROOT / "docs/reference").glob("*.md")}
_SHOWN = re.findall(r"^::: (\S+)$", "\n".join(REFERENCE.values()), re.MULTILINE)
MADE_BY_KICK: Final = ("App", "SessionUnavailable")
"""Classes with a constructor that is not for users."""
OF_THE_FRAMEWORK: Final = ("kick.http.settings.Settings", "kick.http.mounts.Mount")
"""Records whose fields are for the framework."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository with a page, an example in a folder and the files beside the README."""
    for name in (*site.BESIDE, "docs/guide/login.md", "examples/auth/README.md", "examples/hello.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# A page\n" if path.suffix == ".md" else "print('hello')\n")
    (tmp_path / "examples/auth/app.py").write_text("app = None\n")
    return tmp_path


class TestPages:
    def test_links_out_of_the_docs_lead_to_pages_of_the_site(self, root: Path, tmp_path: Path) -> None:
        page = root / "docs/guide/login.md"
        page.write_text("[a](../../examples/auth) [b](../../CHANGELOG.md#added) [c](../../examples/hello.py 'title')")
        write_pages(root, tmp_path / "pages")
        written = (tmp_path / "pages/guide/login.md").read_text()
        assert written == "[a](../examples/auth.md) [b](../CHANGELOG.md#added) [c](../examples/hello.md 'title')"

    def test_an_example_is_a_page_with_its_files(self, root: Path, tmp_path: Path) -> None:
        write_pages(root, tmp_path / "pages")
        assert "## app.py\n\n````python\napp = None\n````" in (tmp_path / "pages/examples/auth.md").read_text()
        assert "print('hello')" in (tmp_path / "pages/examples/hello.md").read_text()

    def test_links_of_an_example_lead_to_pages_of_the_site(self, root: Path, tmp_path: Path) -> None:
        readme = root / "examples/auth/README.md"
        readme.write_text("# Auth\n\n[a](../../docs/guide/login.md#top) [b](../hello.py)")
        (root / "examples/auth/app.py").write_text("text = '[c](nowhere.md)'\n")
        write_pages(root, tmp_path / "pages")
        written = (tmp_path / "pages/examples/auth.md").read_text()
        assert "[a](../guide/login.md#top) [b](hello.md)" in written
        assert "[c](nowhere.md)" in written
        readme.write_text("[a](nowhere.md)")
        with pytest.raises(BrokenSite, match=re.escape("examples/auth/README.md: no page for nowhere.md")):
            write_pages(root, tmp_path / "pages")

    @pytest.mark.parametrize("link", ["missing.md", "../../kick/app.py", "../../../outside.md"])
    def test_a_link_to_nowhere_fails_and_is_named(self, root: Path, tmp_path: Path, link: str) -> None:
        (root / "docs/guide/login.md").write_text(f"See [there]({link}).")
        with pytest.raises(BrokenSite, match=re.escape(f"docs/guide/login.md: no page for {link}")):
            write_pages(root, tmp_path / "pages")

    @pytest.mark.parametrize("text", ["[a](https://example.com/x)", "[a](#below)", "```md\n[a](nowhere.md)\n```\n"])
    def test_other_addresses_and_code_are_left_alone(self, text: str) -> None:
        assert with_links(text, ROOT / "docs/index.md", "index.md", {}) == (text, [])


def test_no_page_of_the_repository_has_a_link_out_of_the_site(tmp_path: Path) -> None:
    write_pages(ROOT, tmp_path / "pages")
    assert (tmp_path / "pages/examples/shop.md").is_file()


class TestChecks:
    def built(self, folder: Path, body: str) -> Path:
        (folder / "other.html").write_text("<h1 id='top'>Other</h1>")
        (folder / "index.html").write_text(f"<html><body>{body}</body></html>")
        return folder

    @pytest.mark.parametrize(
        "body",
        [
            "<a href='other.html'>a</a>",
            "<a href='other.html#top'>a</a>",
            "<a href='https://example.com/'>a</a>",
            "<link rel='canonical' href='https://example.com/'>",
            "<script>fetch('x')</script>",
        ],
    )
    def test_what_is_fine(self, tmp_path: Path, body: str) -> None:
        check_site(self.built(tmp_path, body))

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("<a href='gone.html'>a</a>", "index.html: gone.html does not exist"),
            ("<a href='other.html#gone'>a</a>", "index.html: other.html#gone has no such heading"),
            ("<a href='#gone'>a</a>", "index.html: #gone has no such heading"),
            ("<img src='gone.png'>", "index.html: gone.png does not exist"),
            (
                "<script src='https://example.com/x.js'></script>",
                "https://example.com/x.js is loaded from another host",
            ),
            ("<h3 id='kick.app.App._parts'>_parts</h3>", "index.html: kick.app.App._parts is private"),
            ("<link rel='stylesheet' href='//example.com/x.css'>", "//example.com/x.css is loaded from another host"),
        ],
    )
    def test_what_is_not(self, tmp_path: Path, body: str, said: str) -> None:
        with pytest.raises(BrokenSite, match=re.escape(said)):
            check_site(self.built(tmp_path, body))

    @pytest.mark.parametrize(
        ("link", "root", "is_fine"),
        [
            ("/other.html#top", "/", True),
            ("/kick/other.html", "/kick/", True),
            ("/kick/other.html", "/", False),
            ("/other.html", "/kick/", False),
            ("/gone.html", "/", False),
        ],
    )
    def test_links_of_the_404_page_begin_at_the_root_of_the_server(
        self, tmp_path: Path, link: str, root: str, is_fine: bool
    ) -> None:
        self.built(tmp_path, "").joinpath("404.html").write_text(f"<a href='{link}'>a</a>")
        if is_fine:
            check_site(tmp_path, root)
        else:
            with pytest.raises(BrokenSite, match=r"404.html: .* does not exist"):
                check_site(tmp_path, root)


@pytest.mark.parametrize(("urls", "stays"), [("", False), ("<url><loc>https://kick.example/</loc></url>", True)])
def test_a_sitemap_without_an_address_is_removed(tmp_path: Path, urls: str, stays: bool) -> None:
    (tmp_path / "sitemap.xml").write_text(f"<urlset>{urls}</urlset>")
    site.remove_empty_sitemap(tmp_path)
    assert (tmp_path / "sitemap.xml").exists() is stays


def test_each_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "zensical.toml").read_text()
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f'"{page}"' not in navigation] == []


class TestReference:
    """docs/reference has every public name, and nothing that does not exist."""

    @pytest.mark.parametrize("package", PUBLIC)
    def test_it_has_every_public_name(self, package: str) -> None:
        headings = {
            name
            for page in REFERENCE.values()
            for heading in re.findall(r"^#{1,2} (.*)$", page, re.MULTILINE)
            for name in heading.split(", ")
        }
        assert set(importlib.import_module(package).__all__) - headings == set()

    def test_its_names_exist(self) -> None:
        for path in re.findall(r"^::: (\S+)$", "\n".join(REFERENCE.values()), re.MULTILINE):
            module, _, name = path.rpartition(".")
            assert hasattr(importlib.import_module(module), name), path

    def test_it_has_the_members_of_an_uploaded_file_that_are_those_of_starlette(self) -> None:
        file = UploadFile(BytesIO(), filename="tea.png")
        members = {name for name in dir(file) if name[0] != "_"} - set(vars(UploadFile))
        described = " ".join(re.findall(r"^ *\| (`.*?) \|", UploadFile.__doc__ or "", re.MULTILINE))
        assert members - set(re.findall(r"[a-z_]+", described)) == set()

    def test_it_shows_members_that_exist(self) -> None:
        from kick import RequestContext

        shown = re.findall(r"members: \[(.*)\]", REFERENCE["context"])
        names = {name for line in shown for name in line.split(", ") if name}
        known = {*dir(RequestContext), *RequestContext.__annotations__}
        for base in RequestContext.__mro__:
            known |= set(vars(base).get("__annotations__", {}))
        assert len(names) > 40
        assert names - known == set()


@pytest.mark.process  # griffe asks git
class TestArguments:
    """The reference has a row with a type for each argument, and shows defaults that mean something."""

    @pytest.mark.parametrize("path", sorted(set(_SHOWN)))
    def test_each_argument_is_described(self, path: str, package: griffe.Module) -> None:
        shown = package[path.removeprefix("kick.")]
        if not isinstance(shown, griffe.Class | griffe.Function) or path.rpartition(".")[2] in MADE_BY_KICK:
            return
        rows = rows_of(shown)
        if shown.is_class and any(base.name == "HTTPError" for base in cast("griffe.Class", shown).mro()):
            rows |= rows_of(package["exceptions.HTTPError"])
        if isinstance(shown, griffe.Class) and "__init__" not in shown.all_members:
            assert rows == {}
            return
        given = {each.name: each for each in shown.parameters if each.name not in ("self", "cls")}
        if isinstance(shown, griffe.Function) or rows:
            assert set(given) - set(rows) - {"ctx"} == set()
        assert [name for name in rows if name in given and rows[name] is None] == []
        assert [name for name, each in given.items() if str(each.default).startswith("_")] == []

    @pytest.mark.parametrize("path", sorted(set(_SHOWN)))
    def test_each_field_of_a_record_is_described(self, path: str, package: griffe.Module) -> None:
        shown = package[path.removeprefix("kick.")]
        if not isinstance(shown, griffe.Class) or path in OF_THE_FRAMEWORK:
            return
        if {str(base).rpartition(".")[2] for base in shown.bases} & {"Struct", "Enum", "StrEnum", "NamedTuple"}:
            said = rows_of(shown)
            fields = {name: each for name, each in shown.members.items() if each.is_attribute and name[0] != "_"}
            assert [name for name, each in fields.items() if not each.has_docstring and name not in said] == []

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("auth.guards.Roles", "all_of: Collection[str] = (),"),
            ("http.description.Description", "errors: Mapping[int, str] = {},"),
            ("http.routing.decorators.Verb", "Get(\n    path: str = '',\n    *,\n    status: int | None = None,"),
            ("module.Module", "StaticFiles] = {},"),
            ("auth.login.logout", "```python\nasync logout(ctx: RequestContext"),
            ("middleware.csrf.csrf", "```python\ncsrf(*, trusted_origins"),
        ],
    )
    def test_signatures_are_shown(self, path: str, said: str, package: griffe.Module) -> None:
        docstring = package[path].docstring
        assert docstring is not None
        assert said in docstring.value


@pytest.mark.process
class TestCoroutineFunctions:
    """The reference has `async` before the functions and methods whose call is awaited, and before no other."""

    @pytest.mark.parametrize("path", sorted(set(_SHOWN)))
    def test_they_are_known(self, path: str, package: griffe.Module) -> None:
        shown = package[path.removeprefix("kick.")]
        members = shown.all_members.values() if shown.is_class else [shown]
        functions = [each for each in members if each.is_function and (each is shown or each.name[0] != "_")]
        module, _, name = path.rpartition(".")
        imported = getattr(importlib.import_module(module), name)
        for each in functions:
            function = imported if each is shown else inspect.getattr_static(imported, each.name)
            function = getattr(function, "__func__", function)
            assert ("async" in each.labels) is inspect.iscoroutinefunction(function), each.path


def undescribed_in(page: Path) -> list[str]:
    """The members of a page of the built reference that have no text."""
    objects = re.split(r'<div class="doc doc-object[^"]*">', page.read_text())[1:]
    found = [
        (re.search(r'<h\d id="([^"]+)"', each), each.partition('<div class="doc doc-contents')[2]) for each in objects
    ]
    return [
        f"{page.name}: {heading[1]}" for heading, text in found if heading and not re.search("<(p|ul|table)>", text)
    ]


def rows_of(shown: griffe.Object | griffe.Alias) -> dict[str, object]:
    """The described arguments of an object, each with its type."""
    described: dict[str, object] = {}
    constructor = shown.members.get("__init__")
    for docstring in (shown.docstring, None if constructor is None else constructor.docstring):
        for section in (
            [] if docstring is None else docstring.parse("google", warn_unknown_params=False, warnings=False)
        ):
            if isinstance(section, griffe.DocstringSectionParameters):
                described |= {each.name.lstrip("*"): each.annotation for each in section.value}
    return described


@pytest.fixture(scope="module")
def package() -> griffe.Module:
    """The package as the reference shows it."""
    with collector_paused():  # griffe compiles, and does not ask `ast.parse`
        loaded = griffe.load("kick", extensions=griffe.load_extensions(str(ROOT / "tools/griffe_reference.py")))
    assert isinstance(loaded, griffe.Module)
    return loaded


def build(_: Path) -> None:
    command = [sys.executable, "-m", "tools.site", "--url", "http://127.0.0.1/deep/kick"]
    built = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "No issues found" in built.stdout + built.stderr
    undescribed = [each for page in (site.SITE / "reference").glob("*.html") for each in undescribed_in(page)]
    assert undescribed == []


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the site, which is built once for the whole run, below a path of its server."""
    shared_folder(tmp_path_factory, "site", build)
    served = tmp_path_factory.mktemp("served")
    (served / "deep").mkdir()
    (served / "deep/kick").symlink_to(site.SITE)
    handler = partial(SimpleHTTPRequestHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/deep/kick"
        server.shutdown()
        thread.join()


@pytest.mark.long
@pytest.mark.process
@pytest.mark.browser
def test_the_site_is_built_without_a_warning_and_its_search_finds_pages(address: str, tmp_path: Path) -> None:
    with open_browser(tmp_path) as browser:
        wait = WebDriverWait(browser, 30)
        browser.get(f"{address}/index.html")
        button = wait.until(lambda _: browser.find_element(By.CSS_SELECTOR, ".md-search__button"))
        browser.execute_script("arguments[0].click()", button)
        # The search is a component with a tree of its own.
        tree = "const trees = [...document.querySelectorAll('*')].map(each => each.shadowRoot).filter(Boolean); "
        has_field = "return trees.some(tree => tree.activeElement?.tagName === 'INPUT')"
        wait.until(lambda _: browser.execute_script(tree + has_field))
        browser.switch_to.active_element.send_keys("session fixation")
        found = "return trees.flatMap(tree => [...tree.querySelectorAll('a')]).map(each => each.href)"
        wait.until(lambda _: any("sessions.html" in each for each in browser.execute_script(tree + found)))
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.long
@pytest.mark.process
@pytest.mark.usefixtures("address")
def test_async_is_before_the_methods_whose_call_is_awaited() -> None:
    context, login_limit = "kick.http.context.context.RequestContext", "kick.auth.login_limit.LoginLimit"
    for page, name, shown in (
        ("context", f"{context}.read", "\nasync read("),
        ("context", f"{context}.body_stream", "\nbody_stream("),
        ("context", f"{context}.json", "\njson("),
        ("auth", f"{login_limit}.aclose", "\nasync aclose("),
        ("auth", f"{login_limit}.attempt", "\nattempt("),
    ):
        _, _, text = (site.SITE / f"reference/{page}.html").read_text().partition(f'id="{name}"')
        assert shown in re.sub("<[^>]+>", "", text.partition('<div class="doc doc-contents')[0]), name

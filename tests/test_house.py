"""The rules of the house that a machine can check. CONTRIBUTING.md says why."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, get_origin

import pytest

from tests.support.imports import Graph, Source, find_cycle, import_graph, read_package
from tests.support.layout import questions, rooms, sibling_circles

ROOT = Path(__file__).parents[1]

LAYERS: tuple[tuple[str, ...], ...] = (
    ("clock", "environment", "errors", "exceptions", "lazy_exports", "shutdown", "signing"),
    ("di",),
    ("concurrency", "cookies"),
    ("session",),
    ("http",),
    ("middleware",),
    ("auth",),
    ("health", "lifecycle", "module"),
    ("openapi",),
    ("app", "assembly"),
    ("telemetry", "testing"),
    ("cli",),
)
"""The folders and modules of `kick/`, lowest first: each imports from its own layer and those below."""

NOT_MIDDLEWARE = tuple(
    f"kick/middleware/{name}"
    for name in ("access_log/", "asgi_stack.py", "framing.py", "hosts.py", "proxies.py", "session.py")
)
"""ASGI middleware and observers, which stand around the application, and the session, which is kick's own."""

MOST_MODULES = 14

MODULE_LINES = 500
FUNCTION_LINES = 80

NOT_WITH_KICK = {
    *("click", "jinja2", "multipart", "opentelemetry", "prometheus_client", "pydantic", "redis", "sqlite3", "uvicorn"),
    *("argon2", "backports", "limits", "websockets", "wsproto"),
}
"""What `import kick` must not load. (`python_multipart`, where it is installed, comes with Starlette's requests.)"""

HELLO = """
import asyncio
from benchmarks.apps.hello import app
from benchmarks.inprocess import exchange, scope_of
assert asyncio.run(exchange(app, scope_of("/")))[1]["body"] == b'{"hello":"world"}'
"""

NOT_WITH_HELLO = (
    *("anyio._backends._asyncio", "difflib", "starlette.staticfiles", "starlette.websockets"),
    *(
        "kick.health",
        "kick.http.websocket.messages",
        "kick.http.websocket.handshake",
        "kick.middleware.hosts",
        "kick.middleware.proxies",
    ),
    *("kick.http.websocket.plan", "kick.http.websocket.router", "kick.http.websocket.socket"),
    *("kick.openapi.document", "kick.openapi.routes", "kick.openapi.schemas.schemas"),
    *("kick.middleware.compression.middleware", "kick.middleware.cors", "kick.middleware.rate_limit.middleware"),
    *("kick.middleware.csrf", "kick.session.manager", "kick.session.session", "kick.session.stores.memory"),
)
"""What the smallest application does not use, and has not loaded: a third of its memory over that of its server."""

NOT_IN_TEXT = (
    r"--(?:extra-)?index-url",
    r"\b(?:PIP|UV)_(?:EXTRA_)?INDEX",
    r"\b(?:extra-)?index-url\s*=",
    r"\btrusted-host\b\s*=",
    r'"resolved":\s*"(?:http|file)',
    r"\bpypi\.org/simple\b",
    r"\bfiles\.pythonhosted\.org\b",
    r"\bregistry\.npmjs\.org\b",
    r"\bfile:/{3}",
)
"""Where a package came from on somebody's machine, in any spelling."""


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return read_package(ROOT / "kick")


@pytest.fixture(scope="module")
def public(sources: list[Source]) -> list[Source]:
    """The packages that users import from: those that have an `__all__`."""
    return [source for source in sources if source.is_package and "__all__" in _assigned_anywhere(source.tree)]


# Imports


@pytest.fixture(scope="module")
def graph(sources: list[Source]) -> Graph:
    """The imports between the files, type-only ones too."""
    return import_graph(sources)


def test_every_folder_and_module_has_its_layer(sources: list[Source]) -> None:
    assert [source.name for source in sources if source.name.count("/") and _layer(source.name) is None] == []


def test_imports_run_downwards(graph: Graph) -> None:
    upwards = [
        f"{file} imports {target}"
        for file, targets in graph.items()
        for target in sorted(targets)
        if (_layer(target) or 0) > (_layer(file) or 0)
    ]
    assert upwards == []


def test_no_files_import_one_another_in_a_circle(graph: Graph) -> None:
    assert find_cycle(graph) == []


def test_no_siblings_import_one_another_in_a_circle(graph: Graph) -> None:
    assert sibling_circles(graph) == {}


def test_no_folder_is_crowded(sources: list[Source]) -> None:
    sizes = {folder: len(modules) for folder, modules in rooms(sources).items()}
    assert {each: size for each, size in sizes.items() if size > MOST_MODULES} == {}


def test_middleware_of_kick_imports_what_is_public(sources: list[Source]) -> None:
    page = (ROOT / "docs" / "guide" / "middleware.md").read_text()
    modules = {"kick", "kick.http", "kick.middleware", *re.findall(r"^\| `(kick\.[a-z_.]+)` \|", page, re.MULTILINE)}
    found = [
        f"{source.name}:{node.lineno}: {source.base(node)}"
        for source in sources
        if source.name.startswith("kick/middleware/")
        if not (source.is_package or source.name.startswith(NOT_MIDDLEWARE))
        for node in source.imports
        if isinstance(node, ast.ImportFrom)
        if (module := source.base(node)).startswith("kick") and module not in modules
        if not module.startswith(("kick.middleware.", "kick.session"))
    ]
    assert found == []


def test_packages_define_nothing_and_export_names(sources: list[Source]) -> None:
    defined = [
        f"{source.name}:{node.lineno}: {ast.unparse(node).splitlines()[0]}"
        for source in sources
        if source.is_package
        for node in source.tree.body
        if not _exports_only(node)
    ]
    assert defined == []


@pytest.mark.process
def test_importing_kick_loads_no_optional_package() -> None:
    loaded = {name.partition(".")[0] for name in _loaded_after("from kick import *")}
    assert "starlette" in loaded
    assert loaded & NOT_WITH_KICK == set()


@pytest.mark.process
def test_an_application_that_has_answered_has_loaded_nothing_that_it_does_not_use() -> None:
    loaded = _loaded_after(HELLO)
    assert "kick.http.handlers.endpoint" in loaded
    assert [name for name in NOT_WITH_HELLO if name in loaded] == []


def test_packages_export_what_type_checkers_see(sources: list[Source]) -> None:
    for source in sources:
        for node in _for_type_checkers(source.tree) if source.is_package else ():
            module = importlib.import_module(source.base(node))
            package = importlib.import_module(source.module)
            assert [
                each.name for each in node.names if getattr(package, each.name) is not getattr(module, each.name)
            ] == []


# Sizes


def test_no_module_is_too_long(sources: list[Source]) -> None:
    lengths = {source.name: len(source.text.splitlines()) for source in sources}
    assert {name: length for name, length in lengths.items() if length > MODULE_LINES} == {}


def test_no_function_is_too_long(sources: list[Source]) -> None:
    lengths = {f"{source.name}:{node.lineno}": _lines(node) for source in sources for node in _functions(source.tree)}
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}


def test_signatures_and_hints_are_read_in_one_place(sources: list[Source]) -> None:
    # Everywhere else they are evaluated at once, which annotations of Python 3.14 and later do not bear.
    readers = {"signature", "get_type_hints", "get_annotations", "getfullargspec", "from_callable"}
    found = [
        f"{source.name}:{node.lineno}"
        for source in sources
        if source.name != "kick/di/hints.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and _called(node) in {f"inspect.{name}" for name in readers} | readers
    ]
    assert found == []


# The public face


def test_public_names_are_there_and_sorted(public: list[Source]) -> None:
    for source in public:
        package = importlib.import_module(source.module)
        names = list(package.__all__)
        assert [name for name in names if not hasattr(package, name)] == [], source.name
        assert names in (sorted(set(names)), sorted(set(names), key=_rank)), source.name


def test_public_names_say_where_they_come_from(public: list[Source]) -> None:
    for name, value in _exported(public):
        home = getattr(value, "__module__", None)
        if isinstance(home, str) and get_origin(value) is not Annotated:  # which has the module of its type
            module = importlib.import_module(home)
            own_name = getattr(value, "__qualname__", "").partition(".")[0]
            assert not own_name or hasattr(module, own_name), f"{name} says it is {home}.{own_name}"


def test_public_classes_and_functions_are_documented(public: list[Source]) -> None:
    undocumented = [
        name
        for name, value in _exported(public)
        if (inspect.isclass(value) or inspect.isroutine(value)) and _is_ours(value) and not _documentation(value)
    ]
    assert undocumented == []


# Text


def test_docstrings_do_not_begin_as_questions_do(sources: list[Source]) -> None:
    assert questions(sources) == []


def test_examples_of_hypothesis_have_no_deadline() -> None:
    """Its own is 200 ms for an example, which is too short on a machine that is busy."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path == Path(__file__) or "@given(" not in (text := path.read_text()):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            marks = [ast.unparse(each) for each in node.decorator_list]
            if any(each.startswith("given(") for each in marks) and "deadline=None" not in " ".join(marks):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


@pytest.mark.process
def test_no_file_names_an_index_or_a_directory_of_this_machine() -> None:
    patterns = [re.compile(pattern) for pattern in (*NOT_IN_TEXT, *_own_directories())]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path, text in _project_text()
        for number, line in enumerate(text.splitlines(), start=1)
        if any(pattern.search(line) for pattern in patterns)
    ]
    assert found == []


def test_constraints_are_names_and_versions_only() -> None:
    pinned = re.compile(r"(#.*|[A-Za-z0-9._-]+==[0-9A-Za-z.!+]+)?")
    for path in (*ROOT.glob("constraints*.txt"), ROOT / "benchmarks" / "constraints.txt"):
        assert [line for line in path.read_text().splitlines() if not pinned.fullmatch(line)] == []


# What the rules are made of


def _called(call: ast.Call) -> str:
    """The function of a call as it is written, where it is of a module or imported by its name."""
    named = call.func if isinstance(call.func, ast.Name) else getattr(call.func, "value", None)
    is_plain = isinstance(call.func, ast.Name) or (isinstance(named, ast.Name) and named.id in ("inspect", "typing"))
    return ast.unparse(call.func).removeprefix("typing.") if is_plain else ""


def _layer(file: str) -> int | None:
    child = file.split("/")[1].removesuffix(".py")
    if child == "__init__":
        return len(LAYERS)
    return next((index for index, names in enumerate(LAYERS) if child in names), None)


def _exports_only(node: ast.stmt) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef(name="__getattr__" | "__dir__"):
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=orelse):
            return all(map(_exports_only, [*body, *orelse]))
        case ast.Assign() | ast.AnnAssign():
            return _assigned(ast.Module([node], [])) == {"__all__"}
        case _:
            return False


def _loaded_after(script: str) -> set[str]:
    """The modules that a new interpreter has loaded at the end of a script."""
    script = f"{script}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def _for_type_checkers(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    for node in tree.body:
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
                yield from (each for each in body if isinstance(each, ast.ImportFrom) and each.names[0].name != "*")


def _assigned(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names.update(ast.unparse(target) for target in targets if isinstance(target, ast.expr))
    return names


def _assigned_anywhere(tree: ast.Module) -> set[str]:
    return _assigned(ast.Module([node for node in ast.walk(tree) if isinstance(node, ast.stmt)], []))


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _rank(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: as ruff sorts `__all__` (RUF022)."""
    constant = name.isupper() and len(name) > 1
    return (0 if constant else 1 if name[0].isupper() else 2, name)


def _exported(packages: list[Source]) -> Iterator[tuple[str, object]]:
    for source in packages:
        package = importlib.import_module(source.module)
        for name in package.__all__:
            yield f"{source.module}.{name}", getattr(package, name)


def _is_ours(value: object) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] == "kick"


def _documentation(value: type | Callable[..., object]) -> str:
    """The docstring somebody wrote: not an inherited one, nor the signature that a dataclass makes for itself."""
    text = vars(value).get("__doc__") if isinstance(value, type) else value.__doc__
    return "" if not text or text.startswith(f"{value.__name__}(") else text.strip()


def _own_directories() -> Iterator[str]:
    for directory, depth in ((Path.home(), 1), (ROOT, 2)):
        if len(directory.parts) > depth:  # "/" or "/app" may well be meant otherwise
            yield rf"(?<![\w.]){re.escape(str(directory))}(?![\w-])"


def _project_text() -> Iterator[tuple[Path, str]]:
    for path in _project_files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            pass  # a picture; a file that is tracked and was deleted; a submodule


def _project_files() -> list[Path]:
    """What is tracked, or would be."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        run = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
    return [ROOT / name for name in run.stdout.split("\0") if name]

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kick import App
from kick.cli.target import Target, find_target, load_app, load_served, load_target, parse_target
from kick.errors import KickError
from tests.cli.support import APP, SOCKETS
from tests.support.setup_errors import raises_code

EMPTY_APP = "from kick import bootstrap\napp = bootstrap([])\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# Finding


def test_the_named_target_comes_first(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[tool.kick]\napp = "shop.main:app"\n')
    assert find_target("other:application", tmp_path) == Target("other", "application")


def test_then_comes_the_one_in_pyproject(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[tool.kick]\napp = "shop.main:app"\n')
    write(tmp_path / "app.py", "")
    assert find_target(None, tmp_path) == Target("shop.main", "app")


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n", "[tool.ruff]\n"])
def test_then_comes_app_py(tmp_path: Path, text: str) -> None:
    write(tmp_path / "pyproject.toml", text)
    write(tmp_path / "app.py", "")
    assert find_target(None, tmp_path) == Target("app", "app")


def test_without_any_of_them_the_error_says_what_to_write(tmp_path: Path) -> None:
    with raises_code("target-missing", match=r"pyproject\.toml") as caught:
        find_target(None, tmp_path)
    lines = caught.value.fix.splitlines()
    write(tmp_path / "pyproject.toml", "\n".join(lines[1:]))
    assert find_target(None, tmp_path) == Target("package.module", "app")


@pytest.mark.parametrize("text", ["[tool.kick\n", "[tool.kick]\napp = 3\n", "[tool]\nkick = 3\n"])
def test_a_pyproject_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path / "pyproject.toml", text)
    with raises_code("project-file", match=r"pyproject\.toml"):
        find_target(None, tmp_path)


@pytest.mark.parametrize("text", ["app", "app.py", "app:", ":app", "a b:app", "app:app()", "app:app:app", "1app:app"])
def test_a_target_has_a_module_and_an_attribute(text: str) -> None:
    with raises_code("target-form"):
        parse_target(text)


def test_the_fix_for_a_file_name_is_a_target() -> None:
    with raises_code("target-form", match=r"`shop\.main:app`"):
        parse_target("shop/main.py")


# Importing


def test_the_application_is_imported(folder: Path) -> None:
    write(folder / "shop_a" / "__init__.py", "")
    write(folder / "shop_a" / "main.py", f"{EMPTY_APP}class made:\n    app = app\n")
    assert isinstance(load_app(Target("shop_a.main", "app"), folder), App)
    assert isinstance(load_app(Target("shop_a.main", "made.app"), folder), App)


def test_any_asgi_application_is_served(folder: Path) -> None:
    write(folder / "plain.py", "async def app(scope, receive, send): ...\n")
    assert callable(load_target(Target("plain", "app"), folder))
    with raises_code("target-type", match="not a kick application"):
        load_app(Target("plain", "app"), folder)


def test_a_module_that_is_not_there_is_named_with_those_it_resembles(folder: Path) -> None:
    write(folder / "shop_b" / "__init__.py", "")
    write(folder / "shop_b" / "main.py", "")
    with raises_code("target-module", match=r"no module 'shopb' .* Did you mean 'shop_b'"):
        load_target(Target("shopb", "app"), folder)
    with raises_code("target-module", match=r"no module 'main' .* Did you mean 'shop_b.main'"):
        load_target(Target("main", "app"), folder)
    with raises_code("target-module", match=r"no module 'shop_b.nothing'"):
        load_target(Target("shop_b.nothing", "app"), folder)


def test_a_module_that_the_users_module_misses_is_another_matter(folder: Path) -> None:
    write(folder / "app_c.py", "import surely_not_installed\n")
    with raises_code("target-import", match="No module named 'surely_not_installed'"):
        load_target(Target("app_c", "app"), folder)


def test_an_attribute_that_is_not_there_leads_to_the_one_that_is(folder: Path) -> None:
    write(folder / "app_d.py", EMPTY_APP.replace("app =", "application ="))
    with raises_code("target-attribute", match="`app_d:application`"):
        load_target(Target("app_d", "app"), folder)


@pytest.mark.parametrize("value", ["3", "dict", "lambda: None", "None"])
def test_what_cannot_be_served_is_refused(folder: Path, value: str) -> None:
    name = f"app_e_{abs(hash(value))}"
    write(folder / f"{name}.py", f"app = {value}\n")
    with raises_code("target-type", match=r"bootstrap\(modules"):
        load_target(Target(name, "app"), folder)


def test_what_is_raised_while_importing_is_the_cause(folder: Path) -> None:
    write(folder / "app_f.py", "1 / 0\n")
    with raises_code("target-import", match="ZeroDivisionError") as caught:
        load_target(Target("app_f", "app"), folder)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_mistake_in_the_set_up_stays_what_it_is(folder: Path) -> None:
    write(folder / "app_g.py", "from kick import bootstrap\napp = bootstrap([3])\n")
    with pytest.raises(KickError) as caught:
        load_target(Target("app_g", "app"), folder)
    assert caught.value.code == "module-missing"


def test_a_variable_that_is_not_set_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SESSION_SECRET", raising=False)
    write(folder / "app_h.py", 'import os\nsecret = os.environ["SESSION_SECRET"]\n')
    with raises_code("environment-missing", match="SESSION_SECRET") as caught:
        load_target(Target("app_h", "app"), folder)
    assert "`kick secret --env`" in caught.value.fix


def test_another_key_error_is_no_variable(folder: Path) -> None:
    write(folder / "app_i.py", '{}["SESSION_SECRET"]\n')
    with raises_code("target-import", match="KeyError"):
        load_target(Target("app_i", "app"), folder)


# What serving takes


def test_sockets_without_a_library_for_them_say_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "talking.py", APP + SOCKETS)
    write(folder / "silent.py", APP)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "websockets", None)
        assert load_served(Target("talking", "app"), folder).sockets  # there is wsproto
        without.setitem(sys.modules, "wsproto", None)
        with raises_code("missing-extra", match="needs the package 'websockets'") as caught:
            load_served(Target("talking", "app"), folder)
        assert load_served(Target("silent", "app"), folder).routes
    assert caught.value.fix == "Install it: `pip install 'kick-framework[websockets]'`."
    assert load_served(Target("talking", "app"), folder).sockets

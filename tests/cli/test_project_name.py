import keyword
import sys

import pytest

from kick.cli.errors import bad_name
from kick.cli.project_name import LONGEST, package_name
from tests.support.setup_errors import raises_code


@pytest.mark.parametrize(
    ("name", "package"), [("my-app", "my_app"), ("shop", "shop"), ("Shop2", "shop2"), ("a_b-c", "a_b_c"), ("x", "x")]
)
def test_a_name_gives_a_package(name: str, package: str) -> None:
    assert package_name(name) == package
    assert package.isidentifier()


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "2shop", "-shop", "shop-", "my--app", "my app", "my.app", "../shop", "/shop", ".", "..", "~"),
        *("größe", "shop\n", "--help", "a" * (LONGEST + 1), "{{ name }}", "$(id)", "shop;ls"),
    ],
)
def test_what_is_no_package_name_is_refused(name: str) -> None:
    with raises_code("project-name"):
        package_name(name)


@pytest.mark.parametrize("name", [name for name in keyword.kwlist if name.islower()] + ["Class", "match"])
def test_words_of_the_language_are_refused(name: str) -> None:
    with raises_code("project-name", match="keyword of Python"):
        package_name(name)


@pytest.mark.parametrize("name", ["json", "asyncio", "email", "Secrets"])
def test_modules_of_the_standard_library_are_refused(name: str) -> None:
    assert name.lower() in sys.stdlib_module_names
    with raises_code("project-name", match="standard library"):
        package_name(name)


@pytest.mark.parametrize("name", ["kick", "kick-framework", "starlette", "redis", "tests", "pytest"])
def test_packages_that_the_project_needs_are_refused(name: str) -> None:
    with raises_code("project-name", match="would hide"):
        package_name(name)


def test_the_fix_is_a_name_that_is_taken() -> None:
    fix = bad_name("x y", "it has a space").fix
    name = fix.partition("`kick new ")[2].rstrip("`.")
    assert package_name(name) == "my_app"

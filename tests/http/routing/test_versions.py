"""Versions of an API in its paths."""

import json
from pathlib import Path
from typing import Any

import pytest

from kick import Controller, Get, Module, bootstrap
from kick.errors import SetupErrors
from kick.http.response.static import StaticFiles
from tests.cli.support import kick
from tests.http.support import ask
from tests.support.setup_errors import raises_code


@Controller("/users")
class Users:
    @Get()
    async def index(self) -> str:
        return "first"


@Controller("/users", version="v2")
class NewUsers:
    @Get()
    async def index(self) -> str:
        return "second"


async def test_the_version_stands_before_the_prefix_of_the_module() -> None:
    app = bootstrap([Module("shop", controllers=[Users], prefix="/shop", version="v1")], prefix="/api")
    assert [route.path for route in app.routes] == ["/api/v1/shop/users"]
    assert (await ask(app, "/api/v1/shop/users")).json() == "first"
    assert (await ask(app, "/api/shop/users")).status == 404


async def test_a_controller_may_have_another_version_than_its_module() -> None:
    app = bootstrap([Module("users", controllers=[Users, NewUsers], version="v1")])
    assert (await ask(app, "/v1/users")).json() == "first"
    assert (await ask(app, "/v2/users")).json() == "second"


async def test_one_controller_serves_two_versions() -> None:
    app = bootstrap([Module("a", controllers=[Users], version="v1"), Module("b", controllers=[Users], version="v2")])
    assert [route.path for route in app.routes] == ["/v1/users", "/v2/users"]
    assert app.url_for("b:Users.index") == "/v2/users"
    with raises_code("controller-twice"):
        bootstrap([Module("a", controllers=[Users], version="v1"), Module("b", controllers=[Users], version="v1")])


async def test_mounts_have_the_version_of_their_module() -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None: ...

    assert bootstrap([Module("a", mounts={"/old": other}, version="v1")]).mounts[0].path == "/v1/old"


@pytest.mark.parametrize("version", [1, "", "v/1", "{v}", "v 1", "..", True])
def test_what_cannot_be_a_segment_is_refused(version: Any) -> None:
    with raises_code("route-version"):
        bootstrap([Module("a", version=version)])

    @Controller("/a", version=version)
    class A: ...

    @Controller("/b", version=version)
    class B: ...

    with pytest.raises(SetupErrors) as caught:
        bootstrap([Module("a", controllers=[A, B])])
    assert {problem.code for problem in caught.value.problems} == {"route-version"}


def test_a_version_that_is_no_text_is_refused_beside_mounts_too() -> None:
    version: Any = 2
    with raises_code("route-version"):
        bootstrap([Module("a", version=version, mounts={"/old": StaticFiles(".")})])


@pytest.mark.process
def test_kick_routes_shows_versions_and_mounts(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from kick import *\n"
        '@Controller("/users")\nclass Users:\n'
        '    @Get("/{user_id}")\n    async def show(self, user_id: int) -> None: ...\n'
        "async def other(scope, receive, send): ...\n"
        'app = bootstrap([Module("shop", controllers=[Users], version="v1", mounts={"/old": other})])\n'
    )
    rows = kick("routes", cwd=tmp_path, KICK_ENV="test").stdout.strip().splitlines()[1:]
    assert [row.split()[:3] for row in rows] == [
        ["GET", "/v1/users/{user_id}", "Users.show"],
        ["*", "/v1/old", "shop.old"],
    ]
    described = json.loads(kick("routes", "--json", cwd=tmp_path, KICK_ENV="test").stdout)
    assert [(each["method"], each["path"]) for each in described] == [
        ("GET", "/v1/users/{user_id}"),
        ("*", "/v1/old"),
    ]

import json
from pathlib import Path

from tests.cli.support import kick

APP = """\
from kick import Controller, Get, Module, Service, bootstrap

class Clock: ...

@Service(scope="request")
class Basket: ...

@Controller("/shop")
class ShopController:
    @Get()
    async def show(self, basket: Basket) -> None: ...

async def timing(ctx, call_next):
    return await call_next(ctx)

app = bootstrap([Module("shop", controllers=[ShopController])], [timing], providers=[Clock()])
"""


def test_versions_routes_providers_and_middleware_are_shown(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    said = json.loads(kick("info", "--json", cwd=tmp_path, KICK_ENV="test").stdout)
    assert said["application"] == "app:app"
    assert {"python", "kick", "starlette", "uvicorn"} <= said["versions"].keys()
    assert (said["modules"], said["routes"], said["middleware"]) == (["shop"], 1, ["security_headers", "timing"])
    assert said["providers"]["Basket"] == "request"
    assert said["providers"]["Clock"] == "singleton"
    shown = kick("info", cwd=tmp_path).stdout
    for text in ("app:app", "shop", "timing", "Basket", "request"):
        assert text in shown


def test_an_application_with_nothing_in_it_is_shown_too(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from kick import bootstrap\n\napp = bootstrap([])\n")
    run = kick("info", cwd=tmp_path)
    assert run.returncode == 0
    shown = [line.split() for line in run.stdout.splitlines()]
    assert [line for line in shown if line and line[0] in ("routes", "WebSockets", "mounts")] == [
        ["routes", "0"],
        ["WebSockets", "0"],
        ["mounts", "0"],
    ]
    assert max(map(len, run.stdout.splitlines())) < 80

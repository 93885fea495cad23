from kick import Controller, Get, Module, Use, bootstrap
from kick.testing import TestClient

from {{ prefix }}guards.{{ name }} import {{ name }}


@Controller("/guarded")
class GuardedController:
    @Use({{ name }})
    @Get("/")
    async def index(self) -> str:
        return "inside"


def test_{{ name }}_decides_who_gets_in() -> None:
    with TestClient(bootstrap([Module("guarded", controllers=[GuardedController])])) as client:
        assert client.get("/guarded").status_code == 403
        assert client.get("/guarded", headers={"authorization": "Ada"}).json() == "inside"

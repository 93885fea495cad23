"""The secret of signed cookies: of `bootstrap()`, or of `cookie_parser()`."""

from typing import Any

import pytest

from kick import Controller, Get, Module, RequestContext, bootstrap
from kick.http import cookie_parser
from tests.http.support import ask
from tests.support.setup_errors import raises_code

SECRET, FORMER = "a secret of at least thirty-two bytes", "the secret that the new one takes over from"


@Controller("")
class ThemeController:
    @Get("/choose")
    async def choose(self, ctx: RequestContext) -> None:
        ctx.set_cookie("theme", "dark", signed=True)

    @Get("/theme")
    async def theme(self, ctx: RequestContext) -> str | None:
        return ctx.signed_cookies.get("theme")


MODULES = [Module("theme", controllers=[ThemeController])]


@pytest.mark.parametrize(
    ("signs", "verifies"),
    [
        ({"cookie_secret": SECRET}, {"cookie_secret": SECRET}),
        ({"cookie_secret": SECRET}, {"middleware": [cookie_parser(SECRET)]}),
        ({"middleware": [cookie_parser(SECRET)]}, {"cookie_secret": SECRET.encode()}),
        ({"cookie_secret": FORMER}, {"cookie_secret": [SECRET, FORMER]}),
    ],
    ids=["bootstrap", "then the parser", "parser, then bytes", "a former secret"],
)
async def test_both_places_sign_alike(signs: dict[str, Any], verifies: dict[str, Any]) -> None:
    sent = (await ask(bootstrap(MODULES, **signs), "/choose")).all("set-cookie")[0].partition(";")[0]
    answer = await ask(bootstrap(MODULES, **verifies), "/theme", headers={"cookie": sent})
    assert answer.json() == "dark"


async def test_another_secret_does_not_verify() -> None:
    sent = (await ask(bootstrap(MODULES, cookie_secret=FORMER), "/choose")).all("set-cookie")[0].partition(";")[0]
    answer = await ask(bootstrap(MODULES, cookie_secret=SECRET), "/theme", headers={"cookie": sent})
    assert answer.status == 204


@pytest.mark.parametrize("middleware", [[cookie_parser(SECRET)], [cookie_parser(SECRET), cookie_parser()]], ids=len)
def test_two_secrets_stop_the_start(middleware: list[Any]) -> None:
    with raises_code("cookie-secret-twice"):
        bootstrap(MODULES, middleware, cookie_secret=FORMER)


def test_two_parsers_with_a_secret_stop_the_start() -> None:
    with raises_code("cookie-secret-twice"):
        bootstrap(MODULES, [cookie_parser(SECRET), cookie_parser(FORMER)])


@pytest.mark.parametrize("secret", ["", [], [SECRET, ""], 7], ids=repr)
def test_an_empty_secret_stops_the_start(secret: Any) -> None:
    with raises_code("secret-missing", match="cookie_secret"):
        bootstrap(MODULES, cookie_secret=secret)

"""Pages from templates; see `test_context.py` for what a handler sees of them."""

from pathlib import Path
from typing import Any

import pytest

from kick import App, Controller, Get, Middleware, RequestContext
from kick.http import JinjaTemplates
from tests.http.support import app_of, ask
from tests.support.setup_errors import raises_code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "account").mkdir()
    (tmp_path / "base.html").write_text("<title>{{ site }}</title>{% block body %}{% endblock %}")
    (tmp_path / "account" / "login.html").write_text(
        '{% extends "base.html" %}{% block body %}{{ who }} {{ "x" | shout }}{% endblock %}'
    )
    (tmp_path / "broken.html").write_text('{% include "account/logn.html" %}')
    (tmp_path / "note.txt").write_text("{{ who }}")
    return tmp_path


def rendering(name: str, templates: Any, **values: Any) -> App:
    @Controller()
    class Pages:
        @Get("/")
        async def page(self, ctx: RequestContext) -> Any:
            return ctx.render(name, **values)

    return app_of(Pages, templates=templates)


async def test_globals_filters_and_what_each_request_adds(folder: Path) -> None:
    def of_request(ctx: RequestContext[Any]) -> dict[str, Any]:
        return {"who": f"<{ctx.path}>"}

    templates = JinjaTemplates(folder, globals={"site": "A & B"}, filters={"shout": str.upper}, context=[of_request])
    answer = await ask(rendering("account/login.html", templates), "/")
    assert answer.text == "<title>A &amp; B</title>&lt;/&gt; X"
    assert (await ask(rendering("note.txt", templates, who="'given'"), "/")).text == "&#39;given&#39;"


async def test_middleware_may_add_values_to_every_page(folder: Path) -> None:
    class Nonce(Middleware):
        def configure(self, settings: Any) -> None:
            settings.page_values.append(lambda ctx: {"who": "nonce"})

    @Controller()
    class Pages:
        @Get("/")
        async def page(self, ctx: RequestContext) -> Any:
            return ctx.render("note.txt")

    assert (await ask(app_of(Pages, templates=folder, middleware=[Nonce()]), "/")).text == "nonce"


@pytest.mark.parametrize("asked", ["account/logn.html", "broken.html"])
def test_a_template_that_is_not_there_names_the_nearest(folder: Path, asked: str) -> None:
    with raises_code("template-missing") as caught:
        JinjaTemplates(folder).render(asked, {})
    assert "'account/logn.html'" in caught.value.cause
    assert "`'account/login.html'`" in caught.value.fix


def test_an_empty_folder_has_none_to_name(tmp_path: Path) -> None:
    with raises_code("template-missing", match="the folder is empty"):
        JinjaTemplates(tmp_path).render("x.html", {})


def test_a_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with raises_code("templates-folder"):
        JinjaTemplates(tmp_path / "none")


async def test_no_name_leads_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path.parent / "outside.html").write_text("secret")
    for name in ("../outside.html", "/etc/passwd", "account/../../outside.html"):
        answer = await ask(rendering(name, folder), "/")
        assert answer.status == 500
        assert "secret" not in answer.text

"""What type checkers see of queries, headers, cookies and files as parameters. The assertions are theirs."""

# pyright: strict

from typing import Annotated, Literal, assert_type

from kick import Controller, Cookie, File, Form, Get, Header, Module, Post, Query, UploadFile, bootstrap
from kick.http import FromCookie, FromHeader, FromQuery


@Controller("/typed")
class TypedController:
    @Get("/")
    async def show(
        self,
        user_agent: Header[str],
        token: Annotated[str, FromHeader("X-Token")],
        if_match: Header[str | None] = None,
        accept: Header[tuple[str, ...]] = (),
        theme: Cookie[Literal["dark", "light"]] = "light",
        seen: Annotated[bool, FromCookie("seen-intro")] = False,
        limit: Query[int] = 10,
        tags: Query[list[str]] = [],  # noqa: B006  # it is copied
        size: Annotated[int | None, FromQuery("page[size]")] = None,
    ) -> str:
        assert_type(user_agent, str)
        assert_type(token, str)
        assert_type(if_match, str | None)
        assert_type(accept, tuple[str, ...])
        assert_type(theme, Literal["dark", "light"])
        assert_type(seen, bool)
        assert_type(limit, int)
        assert_type(tags, list[str])
        assert_type(size, int | None)
        return user_agent

    @Post("/", files=File(max_size=1 << 20))
    async def upload(
        self, avatar: Annotated[UploadFile, File(max_size=5 << 20, types=["image/*"])], more: list[UploadFile]
    ) -> int | None:
        async for chunk in avatar.chunks():
            assert_type(chunk, bytes)
        assert_type(avatar.safe_name, str)
        assert_type(more[0], UploadFile)
        return avatar.size

    @Post("/form")
    async def form(self, form: Form[dict[str, int]]) -> int:
        assert_type(form.value, dict[str, int])
        assert_type(form.errors, dict[str, str])
        shown = Form(form.value)
        assert_type(shown.problem, str | None)
        return form.value["count"]


def test_the_controller_starts() -> None:
    routes = bootstrap([Module("typed", controllers=[TypedController])]).routes
    assert {route.method for route in routes if route.info.method == route.method} == {"GET", "POST"}

"""An application with everything that the tutorial of FastAPI shows in `/docs`, written for kick."""

from __future__ import annotations

import enum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kick import (
    App,
    Controller,
    Cookie,
    Delete,
    File,
    Form,
    Get,
    Header,
    Module,
    NotFound,
    Post,
    Put,
    Raises,
    RequestContext,
    Response,
    Unauthorized,
    UploadFile,
    bootstrap,
)
from kick.openapi import OpenAPI


class Kind(enum.Enum):
    HAND = "hand"
    POWER = "power"


class Tool(BaseModel):
    """A tool that can be lent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Saw", "price": 12.5, "kind": "hand"}]})

    name: str
    about: str | None = Field(default=None, title="What it is for", max_length=300)
    price: float = Field(gt=0, description="In *euros*, for a day.")
    kind: Kind = Kind.HAND
    tags: set[str] = set()


class Member(BaseModel):
    username: str
    email: str | None = None


class Search(BaseModel):
    q: str | None = Field(default=None, description="Words in the name.", min_length=3, max_length=50)
    skip: int = 0
    limit: int = Field(default=10, le=100)
    tag: list[str] = ["new", "used"]
    old: str | None = Field(default=None, deprecated=True, alias="old-query")
    kind: Kind = Kind.HAND


class Credentials(BaseModel):
    username: str
    password: Annotated[str, Field(json_schema_extra={"format": "password"})]


class NoTool(NotFound):
    """404: there is no such tool."""


ToolId = Annotated[int, Field(description="The *number* of the tool.", ge=1, le=1000)]
Picture = Annotated[UploadFile, File(max_size=1 << 20, types=["image/png", "text/plain"])]
EXAMPLES = {
    "saw": {"summary": "A saw", "description": "It **works**.", "value": {"name": "Saw", "price": 3}},
    "wrong": {"summary": "A wrong price", "value": {"name": "Saw", "price": "free"}},
}
LEFT = {
    200: {"description": "The tool.", "headers": {"X-Left": {"schema": {"type": "integer"}, "description": "Left"}}}
}


@Raises(Unauthorized, security="oauth")
async def member(authorization: Header[str | None] = None) -> Member:
    kind, _, token = (authorization or "").partition(" ")
    if kind != "Bearer" or not token:
        raise Unauthorized("Log in.", headers={"www-authenticate": "Bearer"})
    return Member(username=token.removeprefix("token-of-"))


@Controller()
class MemberController:
    """Members, and their **login**."""

    @Post("/token")
    async def token(self, form: Form[Credentials]) -> dict[str, str]:
        """Log in."""
        return {"access_token": f"token-of-{form.value.username}", "token_type": "bearer"}

    @Get("/members/me")
    async def me(self, member: Member) -> Member:
        return member


@Controller("/tools")
class ToolController:
    """Tools of the workshop."""

    @Get()
    async def index(self, query: Search) -> list[Tool]:
        """Find tools."""
        return []

    @Raises(NoTool)
    @Get("/{tool_id}", openapi={"responses": LEFT})
    async def show(self, tool_id: ToolId) -> Tool:
        """Show a tool.

        It has:

        - a **name**, and a [page](https://example.com)
        - a price, in `EUR`

            a quoted line
        """
        raise NoTool("There is no such tool.")

    @Put("/{tool_id}", openapi={"requestBody": {"content": {"application/json": {"examples": EXAMPLES}}}})
    async def replace(self, tool_id: ToolId, body: Tool) -> Tool:
        return body

    @Post(status=201)
    async def create(self, body: Tool, member: Member) -> Tool:
        return body

    @Delete("/{tool_id}", deprecated=True)
    async def remove(self, tool_id: int) -> None: ...


@Controller("/files")
class FileController:
    @Post()
    async def upload(self, picture: Picture, more: list[UploadFile] | None = None) -> dict[str, Any]:
        """Send pictures."""
        return {"name": picture.filename, "size": picture.size, "more": [each.filename for each in more or ()]}

    @Get("/headers")
    async def headers(
        self,
        ads_id: Cookie[str | None] = None,
        x_token: Header[Annotated[str | None, Field(description="A token.", max_length=9)]] = None,
    ) -> str:
        return f"{ads_id} {x_token}"

    @Get("/table", openapi={"responses": {200: {"content": {"text/csv": {}}}}})
    async def table(self, ctx: RequestContext[Any]) -> Response:
        """Download a table."""
        return ctx.download("a,b\n1,2\n", "table.csv")


def workshop() -> App:
    """The application, with all that its document may say about itself."""
    return bootstrap(
        [
            Module("files", controllers=[FileController]),
            Module("tools", controllers=[ToolController]),
            Module("members", controllers=[MemberController]),
        ],
        providers=[member],
        openapi=OpenAPI(
            title="Workshop",
            version="2.3.0",
            summary="Tools to lend.",
            description="Lends **tools** to *neighbours*.\n\n| day | open |\n|---|---|\n| Monday | yes |",
            terms_of_service="https://example.com/terms",
            contact={"name": "Desk", "url": "https://example.com/desk", "email": "desk@example.com"},
            license={"name": "MIT", "identifier": "MIT"},
            external_docs="https://example.com/handbook",
            tags={
                "members": "",
                "tools": {"externalDocs": {"url": "https://example.com/tools", "description": "Catalogue"}},
            },
            security_schemes={
                "oauth": {"type": "oauth2", "flows": {"password": {"tokenUrl": "/token", "scopes": {"read": "Read"}}}},
                "key": {"type": "apiKey", "in": "header", "name": "X-Key", "description": "A key of the **desk**."},
            },
        ),
    )

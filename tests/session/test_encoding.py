"""What a handler may return, log or pickle of a session: the values of the user, and nothing of kick's own."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kick import Controller, Get, Module, RequestContext, bootstrap
from kick.auth import login
from kick.session import session
from kick.testing import TestClient

SECRET = "a secret of at least thirty-two bytes"
VALUES = {"name": "Ada", "cart": {"items": [1, 2]}}


class Typed(msgspec.Struct):
    name: str = "Ada"
    count: int = 0


@Controller("")
class Page:
    @Get("/in")
    async def enter(self, ctx: RequestContext) -> None:
        await login(ctx, 7, roles=["admin"])
        ctx.session.data.update(VALUES)
        ctx.session.flash["status"] = "Saved"

    @Get("/data")
    async def values(self, ctx: RequestContext) -> Any:
        return ctx.session.data

    @Get("/nested")
    async def nested(self, ctx: RequestContext) -> Any:
        return {"x": [ctx.session.data, (ctx.session,)]}

    @Get("/session")
    async def whole(self, ctx: RequestContext) -> Any:
        return ctx.session

    @Get("/json")
    async def as_json(self, ctx: RequestContext) -> Any:
        return ctx.json({"x": ctx.session})


@pytest.mark.parametrize("store", ["memory://", "sqlite"])
@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/data", lambda values: values),
        ("/session", lambda values: values),
        ("/nested", lambda values: {"x": [values, [values]]}),
        ("/json", lambda values: {"x": values}),
    ],
)
def test_the_json_of_a_session_is_its_values(path: str, shape: Callable[[Any], Any], store: str, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/sessions.db" if store == "sqlite" else store
    layers = [session(SECRET, save_uninitialized=False, store=url)]
    with TestClient(bootstrap([Module("page", controllers=[Page])], layers)) as client:
        client.get("/in")
        answer = client.get(path)
        assert answer.json() == shape(VALUES)
        assert not any(word in answer.text for word in ("$client", "$login", "$flash", "Saved", "stored", "admin"))


def test_typed_data_is_its_fields() -> None:
    @Controller("")
    class Counter:
        @Get("/data")
        async def count(self, ctx: RequestContext[Typed]) -> Any:
            ctx.session.data.count += 1
            return {"data": ctx.session.data}

    with TestClient(bootstrap([Module("page", controllers=[Counter])], [session(SECRET, data=Typed)])) as client:
        assert client.get("/data").json() == {"data": {"name": "Ada", "count": 1}}


def test_no_object_of_a_session_is_encoded_by_itself() -> None:
    """Encoders that are not kick's get an error for them, and not their attributes."""
    seen: list[Any] = []

    @Controller("")
    class Taker:
        @Get("/")
        async def take(self, ctx: RequestContext) -> None:
            ctx.session["token"] = "for nobody"
            seen.extend([ctx.session, ctx.session.data, ctx.session.state, ctx.session.flash, ctx.session.reserved])

    with TestClient(bootstrap([Module("page", controllers=[Taker])], [session(SECRET)])) as client:
        client.get("/")
    for each in seen:
        with pytest.raises(TypeError):
            msgspec.json.encode(each)
        with pytest.raises(TypeError):
            json.dumps(each)
        assert "for nobody" not in repr(each) or isinstance(each, type(seen[1]))


def test_data_can_be_copied_out_of_a_session() -> None:
    taken: list[Any] = []

    @Controller("")
    class Taker:
        @Get("/")
        async def take(self, ctx: RequestContext) -> None:
            ctx.session.data.update(VALUES)
            taken.append(ctx.session.data.copy())

    with TestClient(bootstrap([Module("page", controllers=[Taker])], [session(SECRET)])) as client:
        client.get("/")
    assert taken == [VALUES]
    assert pickle.loads(pickle.dumps(taken[0])) == copy.deepcopy(taken[0]) == VALUES  # noqa: S301  # what the test itself has pickled

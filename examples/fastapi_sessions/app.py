"""A FastAPI application with the sessions of kick: `uvicorn app:app`."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Path, Request
from pydantic import BaseModel, Field

from kick.session import Session, SessionMiddleware, Sessions

api = FastAPI(title="Sessions in FastAPI")

# The middleware is the application that the server gets. `api.add_middleware(SessionMiddleware, ...)` works as well;
# here it has a name, because `Sessions` needs its manager.
app = SessionMiddleware(
    api,
    os.environ["SESSION_SECRET"].split(","),
    store=os.environ.get("SESSION_STORE", "sqlite:///sessions.db"),
    save_uninitialized=False,
    cookie={"prefix": "auto"},
)
sessions = Sessions(app.manager)


def session_of(request: Request) -> Session:
    session: Session = request.scope["session"]  # the same as `request.session`, with a type
    return session


CurrentSession = Annotated[Session, Depends(session_of)]


def user_of(session: CurrentSession) -> str:
    if "name" not in session:
        raise HTTPException(401, "Log in first.")
    name: str = session["name"]
    return name


CurrentUser = Annotated[str, Depends(user_of)]


class Login(BaseModel):
    name: Annotated[str, Field(max_length=100)]


@api.post("/login")
async def log_in(body: Login, session: CurrentSession) -> dict[str, str]:
    is_same = session.principal in (None, body.name)  # the cart of somebody else does not stay
    await session.regenerate(keep=is_same, new_deadline=True)  # a new id: no session fixation
    session.principal = body.name  # so that the sessions of this user can be found and ended
    session["name"] = body.name
    return {"hello": body.name}


@api.get("/me")
async def me(user: CurrentUser) -> dict[str, str]:
    return {"name": user}


@api.post("/cart/{item}")
async def add(item: Annotated[str, Path(max_length=100)], session: CurrentSession) -> list[str]:
    # Of two tabs that add something at the same moment, none loses. A cart has 50 items at most.
    cart: list[str] = await session.modify("cart", lambda cart: [*cart, item][-50:], [])
    return cart


@api.get("/devices")
async def devices(user: CurrentUser) -> list[dict[str, str | None]]:
    return [
        {"user_agent": info.client.get("user_agent"), "last_seen_at": info.last_seen_at.isoformat()}
        for info in await sessions.of(user)
    ]


@api.post("/logout-others")
async def log_out_others(user: CurrentUser, session: CurrentSession) -> dict[str, int]:
    return {"ended": await sessions.revoke(user, except_id=session.id)}


@api.post("/logout", status_code=204)
async def log_out(session: CurrentSession) -> None:
    await session.destroy()  # on the server: a copy of the cookie is worthless too

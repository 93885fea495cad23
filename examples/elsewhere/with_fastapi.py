"""Sessions of kick in a FastAPI application: `uvicorn with_fastapi:app`."""

import os
from typing import Annotated

from fastapi import Body, FastAPI, Request

from kick.session import Session, SessionMiddleware

app = FastAPI()
app.add_middleware(
    SessionMiddleware,
    secret=os.environ["SESSION_SECRET"],
    save_uninitialized=False,
    cookie={"prefix": "auto"},
)


@app.post("/login")
async def login(request: Request, name: Annotated[str, Body(embed=True)]) -> dict[str, str]:
    session: Session = request.scope["session"]  # the same as `request.session`, with a type
    await session.regenerate()
    session["name"] = name
    return {"hello": name}


@app.get("/me")
async def me(request: Request) -> dict[str, str | None]:
    return {"name": request.session.get("name")}


@app.post("/logout", status_code=204)
async def logout(request: Request) -> None:
    session: Session = request.scope["session"]
    await session.destroy()

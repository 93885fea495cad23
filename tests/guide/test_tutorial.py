"""The tutorial, followed literally: its files are written, its commands typed, and their output compared."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import httpx2
import pytest

from kick import Conflict
from kick.auth import Passwords
from tests.support.reader import FENCE, Reader
from tests.support.serving import ROOT

TUTORIAL = ROOT / "docs" / "tutorial"
LAST_PAGE = "deployment"


def pages() -> list[Path]:
    """The pages in their order: each names the next one."""
    found = [TUTORIAL / "README.md"]
    while following := re.search(r"^Next: \[.*\]\((.*)\)\.$", found[-1].read_text(), re.MULTILINE):
        found.append(TUTORIAL / following[1])
    return found


def test_each_page_is_in_the_chain() -> None:
    assert {page.name for page in pages()} == {page.name for page in TUTORIAL.glob("*.md")}
    assert pages()[-1].stem == LAST_PAGE


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    try:
        yield reader
    finally:
        reader.stop()


@pytest.mark.long
@pytest.mark.process
def test_the_tutorial_works_as_it_is_written(reader: Reader) -> None:
    for page in pages():
        reader.read(page)
    served = f"http://localhost:{reader.port}"
    assert httpx2.get(f"{served}/products").json()[0]["name"] == "Tea"
    ada = {"name": "ada", "password": "correct horse"}
    registered = httpx2.post(f"{served}/auth/register", json=ada, headers={"sec-fetch-site": "same-origin"})
    assert registered.status_code == 201, registered.text
    cookie = registered.headers["set-cookie"].partition(";")[0]
    for _ in range(20):  # each has a connection of its own, so each process of the server would get some
        me = httpx2.get(f"{served}/auth/me", headers={"cookie": cookie})
        assert (me.status_code, me.json()["name"]) == (200, "ada")


def module(page: str, title: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The file `title` of a page, as a module that the following files import."""
    text = next(text for _, name, text in FENCE.findall((TUTORIAL / page).read_text()) if name == title)
    made = ModuleType(title.removesuffix(".py"))
    monkeypatch.setitem(sys.modules, made.__name__, made)
    exec(compile(text, title, "exec", dont_inherit=True), vars(made))
    return made


async def test_of_two_who_register_a_name_at_once_one_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = module("accounts.md", "accounts.py", monkeypatch)
    users = accounts.Users(Passwords(memory=8 << 20, passes=1, lanes=1))
    refused: list[Conflict] = []

    async def register() -> None:
        try:
            await users.register(accounts.Credentials("ada", "correct horse"))
        except Conflict as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(register)
    assert len(refused) == 2
    assert (await users.find(1)).name == "ada"
    assert await users.find(2) is None


async def test_a_stream_that_nobody_reads_ends_and_orders_are_still_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    for page, title in (("products.md", "products.py"), ("accounts.md", "accounts.py")):
        module(page, title, monkeypatch)
    orders = module("orders.md", "orders.py", monkeypatch).Orders()
    watch = orders.watch()

    async def place(count: int) -> None:
        for _ in range(count):
            await orders.place("ada", 450)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(place, 1)
        assert (await anext(watch)).number == 1
    await place(150)
    assert [order.number async for order in watch] == list(range(2, 102))
    assert len(orders.placed) == 151

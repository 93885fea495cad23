"""`Passwords`: Argon2id, in threads, as dear for nobody as for somebody."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from argon2 import PasswordHasher, extract_parameters

from kick import Controller, Module, Post, bootstrap
from kick.auth import Passwords
from kick.auth.errors import PasswordRefused
from kick.exceptions import ServiceUnavailable
from kick.testing import TestClient
from tests.support.costs import assert_awaiting_costs_at_most
from tests.support.setup_errors import raises_code

CHEAP: dict[str, Any] = {"memory": 64 << 10, "passes": 1, "lanes": 1}


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(**CHEAP)


async def test_the_right_password_is_right_and_others_are_wrong(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert await passwords.verify("correct horse", stored)
    for wrong in ("", "Correct horse", "correct horse ", "correct hors", stored, "correct horse\0", "x" * 2000):
        assert not await passwords.verify(wrong, stored)


async def test_equal_passwords_are_stored_differently_and_not_in_the_clear(passwords: Passwords) -> None:
    first, second = await passwords.hash("correct horse"), await passwords.hash("correct horse")
    assert first != second
    assert re.fullmatch(r"\$argon2id\$v=19\$m=64,t=1,p=1\$[\w+/]{22}\$[\w+/]{43}", first)
    assert "correct" not in first


async def test_what_looks_the_same_is_the_same(passwords: Passwords) -> None:
    stored = await passwords.hash("cafe\u0301 \ufb01re")
    assert await passwords.verify("caf\u00e9 fire", stored)


@pytest.mark.parametrize("password", ["\ud800" * 8, "\0" * 8, "п" * 8, "🐎" * 8, " " * 8])
async def test_any_text_is_a_password(passwords: Passwords, password: str) -> None:
    stored = await passwords.hash(password)
    assert await passwords.verify(password, stored)


@pytest.mark.parametrize("password", ["", "seven77", "x" * 1025])
async def test_new_passwords_have_a_length(passwords: Passwords, password: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        await passwords.hash(password)
    assert refused.value.status == 422
    assert refused.value.extensions["errors"][0]["code"] == "length"
    assert password == "" or password not in str(refused.value.problem())


async def test_nobody_has_a_password(passwords: Passwords) -> None:
    for password in ("", "correct horse", "\0" * 32):
        assert not await passwords.verify(password, None)
        await passwords.verify_dummy(password)


@pytest.mark.slow
async def test_nobody_is_as_dear_as_somebody() -> None:
    passwords = Passwords(memory=16 << 20, passes=2, lanes=1)
    stored = await passwords.hash("correct horse")
    assert extract_parameters(passwords._nobody) == extract_parameters(stored)

    async def somebody() -> None:
        assert not await passwords.verify("wrong horse", stored)

    async def nobody() -> None:
        assert not await passwords.verify("wrong horse", None)

    await assert_awaiting_costs_at_most(1.6, nobody, somebody, clock=time.process_time)  # a thread computes it
    await assert_awaiting_costs_at_most(1.6, somebody, nobody, clock=time.process_time)


@pytest.mark.parametrize("stored", ["", "x", "scrypt$a$b", "$argon2id$", "$argon2id$v=19$m=64,t=1,p=1$AAAA$AAAA"])
async def test_what_is_no_hash_opens_nothing(
    passwords: Passwords, stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "kick.auth"):
        assert not await passwords.verify("correct horse", stored)
    assert "correct horse" not in caplog.text


async def test_a_hash_at_another_cost_is_made_anew(passwords: Passwords) -> None:
    stored = await Passwords(memory=128 << 10, passes=2, lanes=1).hash("correct horse")
    assert await passwords.verify("correct horse", stored)
    assert passwords.needs_rehash(stored)
    assert not passwords.needs_rehash(await passwords.hash("correct horse"))
    assert passwords.needs_rehash("no hash at all")


class Watched:
    """Hashes, and knows how many at a time."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self._lock = threading.Lock()
        self.now = self.most = 0
        self.threads: set[int] = set()

    def hash(self, password: bytes) -> str:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.threads.add(threading.get_ident())
        try:
            return self._hasher.hash(password)
        finally:
            with self._lock:
                self.now -= 1


async def test_a_rush_is_worked_on_a_few_at_a_time_and_outside_of_the_event_loop() -> None:
    passwords = Passwords(memory=4 << 20, passes=1, lanes=1, at_once=2)
    watched = Watched(passwords._hasher)
    passwords._hasher = watched  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    done, turns = 0, 0

    async def hash_one() -> None:
        nonlocal done
        await passwords.hash("correct horse")
        done += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(hash_one)
        while done < 8:
            turns += 1
            await anyio.lowlevel.checkpoint()
    assert watched.most <= 2
    assert threading.get_ident() not in watched.threads
    assert turns > 8


async def test_whoever_would_wait_behind_too_many_is_turned_away() -> None:
    passwords = Passwords(memory=4 << 20, passes=1, lanes=1, at_once=1, most_waiting=2)
    release = threading.Event()

    class Held:
        def hash(self, password: bytes) -> str:
            release.wait()
            return "hash"

    passwords._hasher = Held()  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    hashed: list[str] = []

    async def hash_one() -> None:
        hashed.append(await passwords.hash("correct horse"))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):  # one is hashed, and two wait
            tasks.start_soon(hash_one)
        await anyio.wait_all_tasks_blocked()
        for refused in (passwords.hash("correct horse"), passwords.verify("correct horse", None)):
            with pytest.raises(ServiceUnavailable) as error:
                await refused
            assert error.value.headers == {"retry-after": "1"}
        release.set()
    assert hashed == ["hash"] * 3
    assert await passwords.hash("correct horse") == "hash"


def test_handlers_ask_for_it_by_type() -> None:
    @Controller("/x")
    class X:
        @Post()
        async def store(self, passwords: Passwords, body: dict[str, str]) -> bool:
            return await passwords.verify(body["password"], await passwords.hash(body["password"]))

    for provider in (Passwords, Passwords(**CHEAP)):
        with TestClient(bootstrap([Module("x", controllers=[X], providers=[provider])])) as client:
            assert client.post("/x", json={"password": "correct horse"}).json() is True
            short = client.post("/x", json={"password": "short"})
            assert (short.status_code, short.json()["errors"][0]["location"]) == (422, "/body/password")


@pytest.mark.parametrize(
    "options",
    [
        {"memory": 0},
        {"memory": "64 MiB"},
        {"memory": 1024},
        {"passes": 0},
        {"lanes": True},
        {"at_once": 0},
        {"most_waiting": 0},
        {"min_length": -1},
        {"max_length": 5},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with raises_code("auth-passwords", match=next(iter(options))):
        Passwords(**options)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "argon2", None)
    with raises_code("missing-extra", match="argon2-cffi") as missing:
        Passwords()
    assert "kick-framework[passwords]" in missing.value.fix

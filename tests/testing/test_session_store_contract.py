"""`SessionStoreContract` finds what is wrong with a store."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

STORES = """
import pytest

from kick.testing.store_contract import SessionStoreContract


class Good:
    def __init__(self):
        self.rows = {}

    async def get(self, sid):
        return self.rows.get(sid)

    async def set(self, sid, data, max_age):
        self.rows[sid] = data

    async def destroy(self, sid):
        self.rows.pop(sid, None)


class Keeps(Good):
    async def destroy(self, sid): ...


class Merges(Good):
    async def set(self, sid, data, max_age):
        self.rows[sid] = {**self.rows.get(sid, {}), **data}


class Folds(Good):
    async def get(self, sid):
        return self.rows.get(sid.lower())

    async def set(self, sid, data, max_age):
        self.rows[sid.lower()] = data


class Shares(Good):
    async def get(self, sid):
        return next(reversed(self.rows.values()), None)


class Insists(Good):
    async def destroy(self, sid):
        del self.rows[sid]


class Strings(Good):
    async def set(self, sid, data, max_age):
        self.rows[sid] = {name: str(value) for name, value in data.items()}


class Revives(Good):
    async def touch(self, sid, max_age):
        self.rows.setdefault(sid, {})


class Contract(SessionStoreContract):
    @pytest.fixture(params=[Good, Keeps, Merges, Folds, Shares, Insists, Strings, Revives])
    def make_store(self, request):
        async def make():
            return request.param()

        return make


class TestIt(Contract):
    async def until_gone(self, store, sid): ...  # none of them lets a session expire
"""

NOTICED = {
    "Keeps": "test_what_is_destroyed_is_gone",
    "Merges": "test_a_set_replaces_all_that_was_there",
    "Folds": "test_upper_and_lower_case_are_different_sessions",
    "Shares": "test_sessions_do_not_touch_each_other",
    "Insists": "test_destroying_what_is_not_there_does_nothing",
    "Strings": "test_what_is_set_comes_back_unchanged",
    "Revives": "test_a_touch_revives_nothing",
}


@pytest.mark.process
@pytest.mark.long
def test_each_mistake_fails_its_test_and_a_good_store_none(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(STORES)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "-o",
        "anyio_mode=auto",
    ]
    told = subprocess.run([*command, "-rf"], cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    failed = {(match[2], match[1]) for match in re.finditer(r"^FAILED .*::(\w+)\[(\w+)", told, re.MULTILINE)}
    assert set(NOTICED.items()) <= failed, told
    assert {store for store, _ in failed} == set(NOTICED)

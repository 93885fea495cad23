"""The promises of `AtomicStore` as a pytest suite, for authors of stores.

    import pytest
    from kick.testing.store_contract import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def make_store(self, tmp_path):
            async def make():
                return MyStore(tmp_path / secrets.token_hex(8))

            return make

`make_store` gives a coroutine function that makes an empty store, every time; the suite closes what it makes.
More may be said on top:

    second_client(store)    another client of the same data, as another process would be; half of the operations
                            that race go through it, and it is closed by itself
    advance(seconds)        let time pass; the default sleeps. A store that takes a clock moves the clock, and says
    controls_time = True    so; then the tests that need exact time are run too, and `short` may be long
    short = 0.5             seconds: the life of a session that a test outlives

The suite needs pytest, anyio's plugin for it, and hypothesis. With
`pytest.register_assert_rewrite("kick.testing.store_contract")` in `conftest.py`, above the import, a failing test
shows what it compared.
"""

from kick.testing.store_contract.base import MakeStore, fields_of, new_key
from kick.testing.store_contract.commits import CommitCases
from kick.testing.store_contract.endings import EndingCases
from kick.testing.store_contract.model import ModelCases
from kick.testing.store_contract.moves import MoveCases
from kick.testing.store_contract.principals import PrincipalCases
from kick.testing.store_contract.races import Findings, RaceCases, race
from kick.testing.store_contract.values import ValueCases

__all__ = ["Findings", "MakeStore", "StoreContract", "fields_of", "new_key", "race"]


class StoreContract(CommitCases, MoveCases, EndingCases, PrincipalCases, ValueCases, RaceCases, ModelCases):
    """Every promise. Subclass it with a name that starts with `Test`; the docstring of the module says how."""

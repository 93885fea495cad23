"""The promises of `AtomicStore` as a pytest suite, for authors of stores.

    import pytest
    from kick.testing.store_contract import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def make_store(self, tmp_path):
            async def make():
                return MyStore(tmp_path / secrets.token_hex(8))

            return make

`make_store` gives a coroutine function that makes an empty store, every time; the suite closes what it makes. More may
be said on top:

    second_client(store)    another client of the same data, as another process would be; half of the operations
                            that race go through it, and it is closed by itself
    advance(seconds)        let time pass; the default sleeps. A store that takes a clock moves the clock, and says
    controls_time = True    so; then expiry is tested to the second, and `short` may be long
    moves_time = True       where `advance` moves a clock that runs on; then it is tested to the thousand seconds
    short = 0.5             seconds: the life of a session that a test outlives

The suite needs pytest, anyio's plugin for it, and hypothesis. With
`pytest.register_assert_rewrite("kick.testing.store_contract")` in `conftest.py`, above the import, a failing test
shows what it compared.
"""

from kick.testing.store_contract.base import MakeStore, fields_of, new_key
from kick.testing.store_contract.contract import StoreContract
from kick.testing.store_contract.races import Findings, race

__all__ = ["Findings", "MakeStore", "StoreContract", "fields_of", "new_key", "race"]

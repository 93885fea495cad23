"""The guarantees of `AtomicStore` as a pytest suite for authors of stores.

    import pytest
    from kick.testing.store_contract import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def make_store(self, tmp_path):
            async def make():
                return MyStore(tmp_path / secrets.token_hex(8))

            return make

`make_store` returns a coroutine function that creates an empty store at each call. The suite closes the stores. More
hooks are optional:

    second_client(store)    another client of the same data, like that of another process. Half of the racing
                            operations use it. It is closed separately
    advance(seconds)        let time pass; the default sleeps
    controls_time = True    set it if `advance` moves a clock. Then expiry is tested to the second, and `short` may
                            be long
    moves_time = True       set it if `advance` moves a clock that keeps running. Then expiry is tested to a
                            thousand seconds
    short = 0.5             the lifetime of a session that expires during a test, in seconds

A class with `get`, `set` and `destroy` (`SessionStore`) promises less, and has a suite of its own,
`SessionStoreContract`, with the hook `make_store`.

The suites need pytest, anyio's plugin for it, and hypothesis. With
`pytest.register_assert_rewrite("kick.testing.store_contract")` in `conftest.py`, above the import, a failing test
shows the compared values.
"""

from kick.testing.store_contract.base import MakeStore, fields_of, new_key
from kick.testing.store_contract.contract import StoreContract
from kick.testing.store_contract.races import Findings, race
from kick.testing.store_contract.session_store import SessionStoreContract

__all__ = ["Findings", "MakeStore", "SessionStoreContract", "StoreContract", "fields_of", "new_key", "race"]

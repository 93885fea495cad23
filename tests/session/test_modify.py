"""`modify()`, `reload()` and an explicit `save()`: what a request does together with others."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from kick.session import SessionEnded
from kick.session.stores.base import Change
from tests.session.harness import Browser, Site, calls_to, setting


class Item(msgspec.Struct):
    name: str


class Shop(msgspec.Struct):
    cart: list[Item] = []
    n: int = 0


class Basket(msgspec.Struct):
    items: list[int] = msgspec.field(default_factory=lambda: [7])
    other: int = 0


def added(item: Any) -> Any:
    return lambda cart: [*cart, item]


async def begun(store: Any, **values: Any) -> tuple[Site, Browser]:
    site = Site(store)
    browser = Browser(site)
    await browser.visit(setting(**{"there": True, **values}))
    return site, browser


class TestModify:
    async def test_it_returns_and_stores_the_new_value(self, store: Any) -> None:
        _, browser = await begun(store, cart=[1])
        answer = await browser.visit(lambda session: session.modify("cart", added(2), []))
        assert answer.value == [1, 2]
        assert (await browser.data())["cart"] == [1, 2]

    async def test_a_key_that_is_not_there_begins_with_the_default(self, store: Any) -> None:
        _, browser = await begun(store)
        default: list[int] = []

        def mutating(cart: list[int]) -> list[int]:
            cart.append(1)
            return cart

        assert (await browser.visit(lambda session: session.modify("cart", mutating, default))).value == [1]
        assert default == []
        assert (await browser.data())["cart"] == [1]

    async def test_a_new_session_is_stored(self, store: Any) -> None:
        browser = Browser(Site(store))
        await browser.visit(lambda session: session.modify("cart", added(1), []))
        assert await browser.data() == {"cart": [1]}

    async def test_parallel_requests_lose_nothing(self, store: Any) -> None:
        _, browser = await begun(store)
        visits = [browser.twin().visit(lambda session, n=n: session.modify("cart", added(n), [])) for n in range(24)]
        answers = await asyncio.gather(*visits)
        assert [answer.status for answer in answers] == [200] * 24
        assert sorted((await browser.data())["cart"]) == list(range(24))

    async def test_another_request_in_between_is_seen(self, store: Any) -> None:
        _, browser = await begun(store, cart=["old"])

        async def act(session: Any) -> Any:
            assert session["cart"] == ["old"]  # read before, and not to be written back
            await browser.twin().visit(setting(cart=["other"], color="red"))
            return await session.modify("cart", added("mine"), [])

        assert (await browser.visit(act)).value == ["other", "mine"]
        assert await browser.data() == {"there": True, "cart": ["other", "mine"], "color": "red"}

    async def test_other_changes_of_the_request_stay_pending_and_are_stored_at_the_end(self, store: Any) -> None:
        _, browser = await begun(store, cart=[], a=1)

        async def act(session: Any) -> None:
            session["a"] = 2
            session.flash["status"] = "Saved"
            await session.modify("cart", added(1), [])
            assert (session["a"], session["cart"]) == (2, [1])

        await browser.visit(act)
        answer = await browser.visit(lambda session: (session["a"], session["cart"], session.flash.pop("status")))
        assert answer.value == (2, [1], "Saved")

    async def test_a_pending_write_of_the_key_comes_first(self, store: Any) -> None:
        _, browser = await begun(store, cart=["old"])

        async def act(session: Any) -> Any:
            session["cart"] = ["assigned"]
            return await session.modify("cart", added("added"), [])

        assert (await browser.visit(act)).value == ["assigned", "added"]
        assert (await browser.data())["cart"] == ["assigned", "added"]

    async def test_a_deleted_key_begins_with_the_default(self, store: Any) -> None:
        _, browser = await begun(store, cart=["old"])

        async def act(session: Any) -> Any:
            del session["cart"]
            return await session.modify("cart", added("new"), [])

        assert (await browser.visit(act)).value == ["new"]

    async def test_a_list_that_was_read_before_is_not_written_back(self, store: Any) -> None:
        _, browser = await begun(store, cart=["old"])

        async def act(session: Any) -> None:
            held = session["cart"]
            await session.modify("cart", added("new"), [])
            held.append("lost: the session has a newer value")

        await browser.visit(act)
        assert (await browser.data())["cart"] == ["old", "new"]

    async def test_twice_in_one_request(self, store: Any) -> None:
        _, browser = await begun(store)

        async def act(session: Any) -> Any:
            await session.modify("cart", added(1), [])
            return await session.modify("cart", added(2), [])

        assert (await browser.visit(act)).value == [1, 2]

    async def test_an_ended_session_is_a_409(self, store: Any) -> None:
        _, browser = await begun(store, cart=[1])

        async def act(session: Any) -> Any:
            await browser.twin().visit(lambda session: session.destroy())
            return await session.modify("cart", added(2), [])

        answer = await browser.visit(act)
        assert answer.status == 409
        assert isinstance(answer.error, SessionEnded)
        assert answer.cookies == []

    async def test_a_rotated_session_is_followed(self, store: Any) -> None:
        _, browser = await begun(store, cart=[1])

        async def act(session: Any) -> Any:
            await browser.twin().visit(lambda session: session.rotate())
            return await session.modify("cart", added(2), [])

        assert (await browser.visit(act)).value == [1, 2]

    async def test_a_function_that_fails_changes_nothing(self, store: Any) -> None:
        _, browser = await begun(store, cart=[1])

        def failing(cart: Any) -> Any:
            cart.append(2)
            raise LookupError("no such item")

        async def act(session: Any) -> Any:
            with pytest.raises(LookupError):
                await session.modify("cart", failing, [])
            return session["cart"]

        assert (await browser.visit(act)).value == [1]
        assert (await browser.data())["cart"] == [1]

    async def test_a_function_that_returns_nothing_is_a_mistake_and_not_a_none(self, store: Any) -> None:
        _, browser = await begun(store, cart=[1])

        async def act(session: Any) -> None:
            with pytest.raises(TypeError, match="must return the new value"):
                await session.modify("cart", lambda cart: cart.append(2), [])

        await browser.visit(act)
        assert (await browser.data())["cart"] == [1]

    @pytest.mark.parametrize("key", ["$own", 7, "\ud800"])
    async def test_keys_are_checked(self, store: Any, key: Any) -> None:
        _, browser = await begun(store)
        answer = await browser.visit(lambda session: session.modify(key, added(1), []))
        assert isinstance(answer.error, TypeError)

    async def test_typed_data_gets_values_of_its_fields(self, store: Any) -> None:
        browser = Browser(Site(store, data=Shop))
        await browser.visit(lambda session: setattr(session.data, "n", 1))

        def add(cart: list[Item]) -> list[Item]:
            assert all(isinstance(each, Item) for each in cart)
            return [*cart, Item("x")]

        for _ in range(2):
            await browser.visit(lambda session: session.modify("cart", add, []))
        answer = await browser.visit(lambda session: session.data)
        assert answer.value == Shop([Item("x"), Item("x")], 1)

    async def test_a_typed_field_begins_with_its_own_default(self, store: Any) -> None:
        browser = Browser(Site(store, data=Basket))
        await browser.visit(lambda session: setattr(session.data, "other", 1))
        assert (await browser.visit(lambda session: session.modify("items", added(2)))).value == [7, 2]

    async def test_a_stored_value_that_cannot_be_read_counts_as_missing(self, atomic_store: Any) -> None:
        _, browser = await begun(atomic_store)

        async def damage(session: Any) -> None:
            change = Change(set={"cart": b"{broken"})
            await atomic_store.commit(session.state.key, change, max_age=60)

        await browser.visit(damage)
        assert (await browser.visit(lambda session: session.modify("cart", added(1), []))).value == [1]
        assert (await browser.data())["cart"] == [1]

    async def test_it_costs_one_store_call_when_nobody_is_in_the_way(self, store: Any) -> None:
        _, browser = await begun(store, cart=[1])
        calls = calls_to(store)
        await browser.visit(lambda session: session.modify("cart", added(2), []))
        assert calls == ["load", "commit"]


class TestReload:
    async def test_it_shows_what_others_have_written_and_drops_what_is_not_saved(self, store: Any) -> None:
        _, browser = await begun(store, a=1, cart=[1])

        async def act(session: Any) -> Any:
            held = session["cart"]
            session["a"] = "mine"
            session.flash["status"] = "mine"
            del session["there"]
            held.append("mine")
            await browser.twin().visit(setting(b=2, cart=[1, 2]))
            assert await session.reload() is True
            return dict(session.data), "status" in session.flash

        expected = {"there": True, "a": 1, "b": 2, "cart": [1, 2]}
        assert (await browser.visit(act)).value == (expected, False)
        assert await browser.data() == expected

    @pytest.mark.parametrize("how", ["destroy", "regenerate"])
    async def test_it_is_false_when_the_session_has_ended(self, store: Any, how: str) -> None:
        _, browser = await begun(store)

        async def act(session: Any) -> Any:
            await browser.twin().visit(lambda session: getattr(session, how)())
            return await session.reload()

        answer = await browser.visit(act)
        assert (answer.value, answer.cookies) == (False, [])

    async def test_a_rotation_is_followed(self, store: Any) -> None:
        _, browser = await begun(store, a=1)

        async def act(session: Any) -> Any:
            twin = browser.twin()
            await twin.visit(lambda session: session.rotate())
            await twin.visit(setting(a=2))
            return await session.reload(), session["a"]

        assert (await browser.visit(act)).value == (True, 2)

    async def test_a_session_that_was_never_stored_has_nothing_to_reload(self, store: Any) -> None:
        assert (await Site(store).request(lambda session: session.reload())).value is False

    async def test_typed_data_is_filled_again(self, store: Any) -> None:
        class Shop(msgspec.Struct):
            a: int = 0
            b: int = 0

        browser = Browser(Site(store, data=Shop))
        await browser.visit(lambda session: setattr(session.data, "a", 1))

        async def act(session: Any) -> Any:
            data = session.data
            data.b = 9
            await browser.twin().visit(lambda session: setattr(session.data, "a", 2))
            await session.reload()
            return data.a, data.b

        assert (await browser.visit(act)).value == (2, 0)


async def while_saving(store: Any, session: Any, act: Any) -> None:
    """Do something while a save has sent its write and has no answer yet."""
    under_way, go_on = asyncio.Event(), asyncio.Event()
    kept = {name: getattr(store, name) for name in ("create", "commit")}

    def slowed(write: Any) -> Any:
        async def slow(*given: Any, **options: Any) -> Any:
            answer = await write(*given, **options)
            under_way.set()
            await go_on.wait()
            return answer

        return slow

    for name, write in kept.items():
        setattr(store, name, slowed(write))
    saving = asyncio.ensure_future(session.save())
    await under_way.wait()
    act()
    go_on.set()
    assert await saving
    for name, write in kept.items():
        setattr(store, name, write)


def remove_everything(session: Any) -> None:
    session.clear()
    session.flash.pop("status")
    session.reserved.remove("shop.x")
    session.principal = None


REMOVALS = {
    "del": lambda session: session.__delitem__("a"),
    "pop": lambda session: session.pop("a"),
    "clear": lambda session: session.clear(),
    "replaced": lambda session: setattr(session, "data", {"c": 1}),
    "popitem": lambda session: [session.popitem(), session.popitem()],
    "everything": remove_everything,
}


class TestSave:
    async def test_what_is_written_while_a_save_is_under_way_is_saved_afterwards(self, store: Any) -> None:
        _, browser = await begun(store)
        commit, under_way, go_on = store.commit, asyncio.Event(), asyncio.Event()

        async def slow(*given: Any, **options: Any) -> Any:
            under_way.set()
            await go_on.wait()
            return await commit(*given, **options)

        async def act(session: Any) -> None:
            session["a"], session.principal = 1, 1
            store.commit = slow
            saving = asyncio.ensure_future(session.save())
            await under_way.wait()
            session["b"], session.principal = 2, 2
            session.flash["status"], session.reserved["shop.x"] = "Saved", 3
            go_on.set()
            await saving

        await browser.visit(act)
        store.commit = commit
        answer = await browser.visit(
            lambda session: (session["a"], session["b"], session.principal, session.flash.pop("status"))
        )
        assert answer.value == (1, 2, "2", "Saved")

    @pytest.mark.parametrize("removal", REMOVALS)
    @pytest.mark.parametrize("begins", [False, True])
    async def test_what_is_removed_while_a_save_is_under_way_is_removed(
        self, store: Any, removal: str, begins: bool
    ) -> None:
        browser = Browser(Site(store)) if begins else (await begun(store))[1]

        async def act(session: Any) -> None:
            session.data.update(a=1, b=[2])
            session.flash["status"], session.reserved["shop.x"], session.principal = "Saved", 3, 7
            await while_saving(store, session, lambda: REMOVALS[removal](session))
            assert "a" not in session

        assert (await browser.visit(act)).error is None
        kept = [2] if removal in ("del", "pop") else None
        assert (await browser.visit(lambda session: (session.get("a"), session.get("b")))).value == (None, kept)
        if removal == "everything":
            answer = await browser.visit(
                lambda session: (dict(session), session.flash.pop("status"), session.reserved.get("shop.x"))
            )
            assert (answer.value, (await browser.visit(lambda session: session.principal)).value) == (
                ({}, None, None),
                None,
            )

    async def test_what_is_set_again_while_a_save_is_under_way_is_there(self, store: Any) -> None:
        _, browser = await begun(store)

        async def act(session: Any) -> None:
            session["a"] = 1

            def again() -> None:
                del session["a"]
                session["a"] = 2

            await while_saving(store, session, again)

        await browser.visit(act)
        assert (await browser.data())["a"] == 2

    async def test_a_key_that_was_never_stored_leaves_no_trace_when_it_is_removed(self, store: Any) -> None:
        _, browser = await begun(store)

        def act(session: Any) -> None:
            session["a"] = 1
            del session["a"]
            session["b"] = 1
            session.clear()
            session["there"] = True
            session.principal = 7
            session.principal = None
            session.flash["status"] = "Saved"
            session.flash.pop("status")

        calls = calls_to(store)
        assert (await browser.visit(act)).cookies == []
        assert calls == ["load"]

    async def test_typed_fields_that_are_reset_while_a_save_is_under_way_are_reset(self, store: Any) -> None:
        browser = Browser(Site(store, data=Shop))

        async def act(session: Any) -> None:
            session.data.n, session["beside"] = 5, 1

            def reset() -> None:
                session.data.n = 0
                del session["beside"]

            await while_saving(store, session, reset)

        await browser.visit(act)
        answer = await browser.visit(lambda session: (session.data.n, "beside" in session))
        assert answer.value == (0, False)

    async def test_it_says_that_an_ended_session_is_not_there_even_if_nothing_changed(self, store: Any) -> None:
        _, browser = await begun(store)

        async def act(session: Any) -> Any:
            first = await session.save()
            await browser.twin().visit(lambda session: session.destroy())
            return first, await session.save()

        assert (await browser.visit(act)).value == (True, False)

    async def test_it_asks_once_and_sends_no_cookie(self, store: Any) -> None:
        _, browser = await begun(store)
        calls = calls_to(store)
        answer = await browser.visit(lambda session: session.save())
        assert (answer.value, answer.cookies, calls) == (True, [], ["load", "load"])

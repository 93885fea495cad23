"""Sessions compared with a plain dict, and with a plain instance: whatever is done to both, both are the same.

Each example is a handful of requests, each of a handful of operations. What the store is sent is compared too: the
keys that differ and no others, and nothing at all when nothing differs.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kick.session import MemoryStore
from kick.session.data.values import encode
from kick.session.stores.base import Change
from tests.session.harness import Browser, Site

Operation: TypeAlias = tuple[Any, ...]


class RecordingStore(MemoryStore):
    """Remembers the changes that it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Change] = []

    async def create(self, key: str, change: Change, **options: Any) -> Any:
        self.changes.append(change)
        return await super().create(key, change, **options)

    async def commit(self, key: str, change: Change, **options: Any) -> Any:
        self.changes.append(change)
        return await super().commit(key, change, **options)


def canonical(value: Any) -> Any:
    """Equal for two values only if they are stored alike."""
    match value:
        case dict():
            return "dict", sorted((key, canonical(each)) for key, each in value.items())
        case list() | tuple():
            return "list", [canonical(each) for each in value]
        case _:
            return type(value).__name__, encode("key", value)


def same(one: Any, other: Any) -> bool:
    return canonical(one) == canonical(other)


keys = st.sampled_from(["a", "b", "c", "", "x"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.datetimes(timezones=st.sampled_from([None, UTC])),
    st.uuids(),
    st.decimals(),
    st.binary(max_size=4),
    st.sampled_from([0, 0.0, -0.0, 1, 1.0, True, False, "", "1"]),
)
inner_keys = st.sampled_from(["x", "y", "$", "$kick"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(inner_keys, inner, max_size=3),
    max_leaves=8,
)
some = st.dictionaries(keys, values, max_size=3)
operations: st.SearchStrategy[Operation] = st.one_of(
    st.tuples(st.just("set"), keys, values),
    st.tuples(st.just("set the same again"), keys),
    st.tuples(st.just("set to what another has"), keys, keys),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("pop"), keys),
    st.tuples(st.just("get"), keys),
    st.tuples(st.just("set default"), keys, values),
    st.tuples(st.just("update"), some),
    st.tuples(st.just("replace"), some),
    st.tuples(st.just("clear")),
    st.tuples(st.just("read all")),
    st.tuples(st.just("change inside"), keys, values),
    st.tuples(st.just("change inside and back"), keys),
    st.tuples(st.just("save")),
    st.tuples(st.just("rotate")),
    st.tuples(st.just("regenerate"), st.booleans() | st.lists(keys, max_size=2, unique=True)),
    st.tuples(st.just("increment"), keys, st.integers(-3, 3)),
)

EXPLICIT = {"save", "rotate", "regenerate", "increment"}
"""The operations after which it is no longer the end of the request that writes everything."""


async def act_on_both(session: Any, model: dict[str, Any], operation: Operation) -> None:
    """Do to the session and to the dict what an operation says, and compare what it returns."""
    if operation[0] in EXPLICIT:
        await verb_on_both(session, model, operation)
        return
    data = session.data
    match operation:
        case ("set", key, value):
            data[key], model[key] = copy.deepcopy(value), copy.deepcopy(value)
        case ("set the same again", key) if key in model:
            data[key] = copy.deepcopy(model[key])
        case ("set to what another has", key, other) if other in model:
            data[key], model[key] = data[other], model[other]
        case ("delete", key):
            assert (key in data) is (key in model)
            if key in model:
                del data[key], model[key]
        case ("pop", key):
            assert same(data.pop(key, "missing"), model.pop(key, "missing"))
        case ("get", key):
            assert same(data.get(key, "missing"), model.get(key, "missing"))
        case ("set default", key, value):
            assert same(data.setdefault(key, copy.deepcopy(value)), model.setdefault(key, copy.deepcopy(value)))
        case ("update", new):
            data.update(copy.deepcopy(new))
            model.update(copy.deepcopy(new))
        case ("replace", new):
            session.data = copy.deepcopy(new)
            model.clear()
            model.update(copy.deepcopy(new))
        case ("clear",):
            data.clear()
            model.clear()
        case ("read all",):
            assert sorted(data) == sorted(model)
            assert len(data) == len(model)
            assert same(dict(data), model)
        case ("change inside", key, value):
            for held in (data.get(key), model.get(key)):
                change_inside(held, copy.deepcopy(value))
        case ("change inside and back", key):
            change_inside_and_back(data.get(key))
        case _:
            pass


def change_inside(held: Any, value: Any) -> None:
    match held:
        case list():
            held.append(value)
        case dict():
            held["z"] = value
        case _:
            pass


def change_inside_and_back(held: Any) -> None:
    match held:
        case list():
            held.append(1)
            held.pop()
        case dict() if held:
            first = next(iter(held))
            held[first] = held.pop(first)  # in another order: the same dict
        case _:
            pass


async def verb_on_both(session: Any, model: dict[str, Any], operation: Operation) -> None:
    match operation:
        case ("save",):
            assert await session.save()
        case ("rotate",):
            await session.rotate()
        case ("regenerate", keep):
            await session.regenerate(keep=keep)
            if keep is not True:
                for key in [key for key in model if not keep or key not in keep]:
                    del model[key]
        case ("increment", key, by):
            held = model.get(key, 0)
            if type(held) is int and -(2**63) <= held < 2**63 and -(2**63) <= held + by < 2**63:
                assert await session.increment(key, by) == held + by
                model[key] = held + by
            else:
                with pytest.raises(TypeError):
                    await session.increment(key, by)
        case _:
            raise AssertionError(f"nothing is known of {operation}")


def visit_that(acts: Callable[[Any], Any], browser: Browser) -> None:
    """A visit by itself, with an event loop of its own; what went wrong in it goes wrong here."""
    answer = asyncio.run(browser.visit(acts))
    if answer.error is not None:
        raise answer.error
    assert answer.status == 200


@pytest.mark.long
@settings(max_examples=250, deadline=None)
@given(st.lists(st.lists(operations, max_size=6), min_size=1, max_size=4))
def test_a_session_is_a_dict_whatever_is_done_to_it(requests: list[list[Operation]]) -> None:
    store = RecordingStore()
    browser = Browser(Site(store))
    model: dict[str, Any] = {}
    for request in requests:
        before = copy.deepcopy(model)
        store.changes.clear()

        async def act(session: Any, request: list[Operation] = request, model: dict[str, Any] = model) -> None:
            for operation in request:
                await act_on_both(session, model, operation)

        visit_that(act, browser)
        if EXPLICIT.isdisjoint(operation[0] for operation in request):
            differing = {key for key in model if key not in before or not same(before[key], model[key])}
            removed = before.keys() - model.keys()
            assert [(set(change.set), set(change.delete)) for change in store.changes] == (
                [(differing, removed)] if differing or removed else []
            )
        model = {key: copy.deepcopy(value) for key, value in model.items()}  # one list under two keys is two now
        seen = asyncio.run(browser.data())
        assert same(seen, model)


class Inner(msgspec.Struct):
    x: int = 0
    names: list[str] = []


class Typed(msgspec.Struct):
    a: int | None = None
    b: list[int] = []
    c: dict[str, Inner] = {}
    d: Inner = msgspec.field(default_factory=Inner)
    e: set[int] = set()
    f: datetime | None = None
    g: Decimal = Decimal(0)
    h: float = 0.0
    i: frozenset[str] = frozenset()


inners = st.builds(Inner, st.integers(0, 3), st.lists(st.text(max_size=2), max_size=2))
typed_operations: st.SearchStrategy[Operation] = st.one_of(
    st.tuples(st.just("a"), st.none() | st.integers(-5, 5)),
    st.tuples(st.just("b"), st.lists(st.integers(0, 3), max_size=3)),
    st.tuples(st.just("c"), st.dictionaries(st.sampled_from(["x", "$"]), inners, max_size=2)),
    st.tuples(st.just("d"), inners),
    st.tuples(st.just("e"), st.sets(st.integers(-100, 100), max_size=6)),
    st.tuples(st.just("f"), st.none() | st.datetimes()),
    st.tuples(st.just("g"), st.sampled_from([Decimal(0), Decimal("0.0"), Decimal("1.10")])),
    st.tuples(st.just("h"), st.sampled_from([0.0, -0.0, 1.0, 0.1])),
    st.tuples(st.just("i"), st.frozensets(st.text(max_size=2), max_size=6)),
    st.tuples(st.just("inside"), st.integers(0, 3)),
    st.tuples(st.just("replace"), st.integers(0, 2)),
    st.tuples(st.just("save"), st.none()),
    st.tuples(st.just("regenerate"), st.sampled_from([True, False, ["b", "d", "e"]])),
)


def stored_form(instance: Typed) -> dict[str, bytes]:
    """Equal for two instances only if they are stored alike; sets in whichever order."""
    plain = {
        name: msgspec.to_builtins(getattr(instance, name), builtin_types=(datetime, Decimal), order="sorted")
        for name in Typed.__struct_fields__
    }
    return {name: encode(name, value) for name, value in plain.items()}


async def typed_act_on_both(session: Any, model: Typed, operation: Operation) -> Typed:
    """Do to the session and to the instance what an operation says; the instance after it."""
    match operation:
        case ("save", _):
            await session.save()
        case ("regenerate", keep):
            await session.regenerate(keep=keep)
            if keep is not True:
                return Typed(**{name: getattr(model, name) for name in keep or ()})
        case ("replace", value):
            session.data = Typed(a=value)
            return Typed(a=value)
        case ("inside", value):
            for each in (session.data, model):
                each.d.names.append(str(value))
                each.b.append(value)
                each.e.add(value)
        case (name, value):
            setattr(session.data, name, copy.deepcopy(value))
            setattr(model, name, copy.deepcopy(value))
    return model


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(typed_operations, max_size=6), min_size=1, max_size=4))
def test_typed_data_is_a_plain_instance_whatever_is_done_to_it(requests: list[list[Operation]]) -> None:
    store = RecordingStore()
    browser = Browser(Site(store, data=Typed))
    model = Typed()
    for request in requests:
        before = stored_form(model)
        store.changes.clear()

        async def act(session: Any, request: list[Operation] = request) -> None:
            nonlocal model
            for operation in request:
                model = await typed_act_on_both(session, model, operation)

        visit_that(act, browser)
        if EXPLICIT.isdisjoint(operation[0] for operation in request):
            differing = {name for name, raw in stored_form(model).items() if raw != before[name]}
            assert [set(change.set) for change in store.changes] == ([differing] if differing else [])
        store.changes.clear()
        seen: list[Typed] = []
        visit_that(lambda session, seen=seen: seen.append(copy.deepcopy(session.data)), browser)
        assert stored_form(seen[0]) == stored_form(model)
        assert store.changes == [], "reading writes nothing"

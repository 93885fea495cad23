"""The second walk: whatever the value, it ends, it finds something, and what it finds is there."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kick.exceptions import FieldError
from kick.http.validation.errors import MOST_ERRORS, ErrorFinder, pointer
from tests.http.handlers.test_extractors import Card, Circle, Item, Order, Page, Parcel, Point, Range, Row, Square, Tree
from tests.support.costs import assert_costs_at_most

HINTS = [
    Item,
    Order,
    Circle | Square,
    list[Circle | Square | None],
    Tree,
    Page[Item],
    Page[Page[int]],
    Range,
    Row,
    Point,
    Card,
    Parcel,
    dict[str, list[int]],
    dict[int, Card | None],
    tuple[int, str, list[int]],
    list[int | str | list[int]],
]
NAMES = st.sampled_from(
    [
        "itemName",
        "unitPrice",
        "items",
        "by_shelf",
        "pair",
        "type",
        "radius",
        "side",
        "value",
        "children",
        "low",
        "1",
        "/~",
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "circle", "red"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)


def is_there(value: Any, location: str, start: str) -> bool:
    """Whether a pointer leads to something, or to a field that is missing in something."""
    steps = location.removeprefix(start).split("/")[1:]
    for index, step in enumerate(steps):
        step = step.replace("~1", "/").replace("~0", "~")
        is_last = index == len(steps) - 1
        if isinstance(value, dict):
            if step not in value:
                return is_last
            value = value[step]
        elif isinstance(value, list):
            if not step.isdecimal() or int(step) >= len(value):
                return is_last
            value = value[int(step)]
        else:
            return False
    return True


@pytest.mark.long
@pytest.mark.parametrize("hint", HINTS, ids=str)
@settings(deadline=None)
@given(value=JSON)
def test_errors_are_found_where_and_only_where_there_are_some(hint: Any, value: Any) -> None:
    body = msgspec.json.encode(value)
    try:
        msgspec.json.decode(body, type=hint)
    except msgspec.ValidationError as error:
        errors = ErrorFinder(hint).errors(value, "/body", str(error))
        assert errors
        assert all(is_there(value, each["location"], "/body") for each in errors), errors
        assert len({(each["location"], each["message"]) for each in errors}) == len(errors)
        assert not any("$" in each["message"].replace("$`", "") for each in errors)


@pytest.mark.parametrize(
    ("message", "location"),
    [
        ("Expected `int`, got `str` - at `$.items[3].name`", "/body"),
        ("Expected `int`, got `str` - at `$[...].name`", "/body"),
        ("Expected `int`, got `str` - at `$`", "/body"),
        ("Something else", "/body"),
    ],
)
def test_what_the_walk_does_not_find_is_said_as_it_was(message: str, location: str) -> None:
    (error,) = ErrorFinder(int).errors(1, "/body", message)
    assert error["location"] == location
    assert error["message"] == message.partition(" - at")[0]


def test_a_pointer_escapes_its_steps() -> None:
    assert pointer("/body", "a/b~c", 0, "") == "/body/a~1b~0c/0/"


def errors_in(value: Any, hint: Any) -> list[FieldError]:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(value, hint)
    return ErrorFinder(hint).errors(value, "/body", str(error.value))


def nested(depth: int, width: int) -> Any:
    value: Any = {"value": 0, "children": [{"value": 1, "children": []}] * width + [{"value": "x"}]}
    for _ in range(depth):
        value = {"value": 1, "children": [value]}
    return value


def test_depth_does_not_multiply_the_time() -> None:
    deep, flat = nested(100, 30_000), nested(1, 30_000)
    assert_costs_at_most(4, lambda: errors_in(deep, Tree), lambda: errors_in(flat, Tree))


def test_length_does_not_multiply_the_time() -> None:
    small, large = ([1] * size + ["x"] for size in (5_000, 40_000))
    assert_costs_at_most(20, lambda: errors_in(large, list[int]), lambda: errors_in(small, list[int]))


def test_no_more_is_reported_than_anybody_reads() -> None:
    assert len(errors_in(["x"] * 5000, list[int])) == MOST_ERRORS
    assert len(errors_in({"k" * 60_000: ["x"] * 500}, dict[str, list[int]])) == 2

"""Numbers out of range: integers beyond 64 bits, NaN and infinity.

Integers beyond 64 bits are refused where a type says `int` without bounds of its own. Database drivers raise
`OverflowError` for them, which would be a 500 that any client can cause. A side without a bound of its own, as in
`Annotated[int, Meta(ge=1)]`, ends at 64 bits. `BigInt` has no such limit.

NaN and infinity are refused where a type says `float` or `Decimal`. JSON has no such numbers (RFC 8259, section 6), but
`Decimal` and the keys of objects are read from texts, as everything is in forms and queries. Comparing a NaN raises
`InvalidOperation`. Types that pydantic validates keep its rules for them (`allow_inf_nan`).

Validated values are checked by functions that are built at start-up. `kick.http.validation.number_errors` looks for
the locations, only after a refusal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_args, get_origin

import msgspec
from typing_extensions import is_typeddict

from kick.http.validation.type_parts import fields_of, members_of, metadata_of, plain, types_within

LOWEST: Final = -(2**63)
HIGHEST: Final = 2**63 - 1

_UNBOUNDED: Final = "kick-unbounded"
_ARRAYS: Final = (list, tuple, set, frozenset, deque)

BigInt: TypeAlias = Annotated[int, msgspec.Meta(extra={_UNBOUNDED: True})]
"""An integer of any size: `serial: BigInt`. A plain `int` takes 64 bits, as databases do."""

T = TypeVar("T")

Check: TypeAlias = Callable[..., bool]
"""Takes a value, and a list for values that are to be checked later; returns false for a number out of range."""


def by_hint(function: Callable[..., T]) -> Callable[..., T]:
    """Keep the results of a function of types. What is said about a type may be beyond hashing: that is not kept.

    >>> by_hint(str)(int)
    "<class 'int'>"
    """
    cached = lru_cache(maxsize=1024)(function)

    def call(hint: Any, **options: bool) -> T:
        try:
            hash(hint)
        except TypeError:
            return function(hint, **options)
        return cached(hint, **options)

    return call


@by_hint
def range_check(hint: Any, *, finite: bool = True, from_json: bool = False) -> Callable[[Any], bool] | None:
    """Return a function that tells whether all numbers of a valid value are in range; `None` if no limit applies.

    Without `finite`, only integers are checked: pydantic has rules of its own for NaN and infinity. With `from_json`, a
    float is checked only as the key of an object: all others are JSON numbers, which msgspec makes finite or refuses.

    >>> check = range_check(dict[str, list[int]])
    >>> check({"ids": [1, 2**63 - 1]}), check({"ids": [1, 2**63]})
    (True, False)
    >>> range_check(dict[str, BigInt]) is None, range_check(list[float], from_json=True) is None
    (True, True)
    """
    if not any(_is_limited(each, finite=finite) for each in types_within(hint)):
        return None
    builder = _Builder(finite=finite, from_json=from_json)
    check = builder.check_of(hint)
    if check is None or not builder.is_recursive:
        return check
    outer = check

    def check_deep(value: Any) -> bool:
        later: list[tuple[Check, Any]] = []
        fits = outer(value, later)
        while fits and later:
            inner, part = later.pop()
            fits = inner(part, later)
        return fits

    return check_deep


def _is_limited(hint: Any, *, finite: bool) -> bool:
    inner = plain(hint)
    return (inner is int and limits_of(metadata_of(hint)) != (None, None)) or (finite and inner in (float, Decimal))


@by_hint
def part_check(hint: Any) -> Check | None:
    """Return the check of a part of a value, as `range_check` does.

    For a class that holds itself, the check always fails: each of its parts is checked alone, so that none is checked
    once for each level above it.
    """
    builder = _Builder()
    check = builder.check_of(hint)
    return _never if builder.is_recursive and check is not None else check


def _is_within(value: Any, _: Any = None) -> bool:
    return type(value) is not int or LOWEST <= value <= HIGHEST


def _is_finite(value: Any, _: Any = None) -> bool:
    return type(value) is not float or isfinite(value)


def _is_finite_decimal(value: Any, _: Any = None) -> bool:
    return type(value) is not Decimal or value.is_finite()


FINITE: Final[dict[Any, Check]] = {float: _is_finite, Decimal: _is_finite_decimal}
"""The types of numbers that may be NaN or infinite, with their checks."""


def limits_of(metadata: Collection[Any]) -> tuple[int | None, int | None]:
    """Return the limits that an integer still needs: none on a side with a bound of its own."""
    lowest: int | None = LOWEST
    highest: int | None = HIGHEST
    for each in metadata:
        said = (each, *getattr(each, "metadata", ()))  # pydantic's `Field()` keeps what it says in a list
        if any(_has(one, "ge", "gt") for one in said):
            lowest = None
        if any(_has(one, "le", "lt") for one in said):
            highest = None
        if _is_unbounded(each):
            return None, None
    return lowest, highest


def holds_big_integers(hint: Any) -> bool:
    """Return whether a `BigInt` is within a type, or within the type of a field of a class.

    >>> holds_big_integers(list[BigInt]), holds_big_integers(list[int])
    (True, False)
    """
    hints = [hint, *(each for _, each in typed_fields(hint, hint))] if is_record(hint) else [hint]
    return any(any(map(_is_unbounded, metadata_of(part))) for each in hints for part in types_within(each))


def _is_unbounded(metadata: Any) -> bool:
    return isinstance(metadata, msgspec.Meta) and _UNBOUNDED in (metadata.extra or {})


def _has(metadata: Any, *names: str) -> bool:
    return any(getattr(metadata, name, None) is not None for name in names)


def _check_of_limits(metadata: Collection[Any]) -> Check | None:
    lowest, highest = limits_of(metadata)
    if lowest is not None and highest is not None:
        return _is_within
    if lowest is not None:
        return lambda value, _=None: type(value) is not int or value >= LOWEST
    if highest is not None:
        return lambda value, _=None: type(value) is not int or value <= HIGHEST
    return None


class _Builder:
    """Builds the checks of types. A class that holds itself is checked with a list, not by recursion."""

    def __init__(self, *, finite: bool = True, from_json: bool = False) -> None:
        self.is_recursive = False
        reals = FINITE if finite else {}
        self._reals = {kind: check for kind, check in reals.items() if not (from_json and kind is float)}
        self._of_keys = _Builder(finite=finite) if from_json else self
        self._begun: set[Any] = set()
        self._known: dict[Any, Check | None] = {}

    def check_of(self, hint: Any, said: tuple[Any, ...] = ()) -> Check | None:
        members = members_of(hint)
        said = (*said, *(metadata_of(hint) if len(members) > 1 else ()))
        checks: dict[Any, Check] = {}
        for member in members:
            check = self._member(member, said)
            if check is not None:
                checks |= dict.fromkeys(kinds_of_values(plain(member)), check)
        if len(members) == 1 or not checks:
            return next(iter(checks.values()), None)

        def check_union(value: Any, later: Any = None) -> bool:
            check = checks.get(type(value))
            return check is None or check(value, later)

        return check_union

    def _member(self, member: Any, said: tuple[Any, ...]) -> Check | None:
        inner = plain(member)
        if inner is int:
            return _check_of_limits((*said, *metadata_of(member)))
        cls, args = get_origin(inner) or inner, get_args(inner)
        if not isinstance(cls, type):
            return None
        if cls in self._reals:
            return self._reals[cls]
        if is_record(cls):
            return self._record(inner, cls)
        if issubclass(cls, Mapping) and len(args) == 2:
            return _members(self._of_keys.check_of(args[0]), self.check_of(args[1]))
        if cls is tuple and args and args[-1] is not Ellipsis:
            return _positions([self.check_of(each) for each in args])
        if args and issubclass(cls, Collection):
            return _items(self.check_of(args[0]))
        return None

    def _record(self, hint: Any, cls: Any) -> Check | None:
        if hint in self._known:
            return self._known[hint]
        if hint in self._begun:
            self.is_recursive = True
            return lambda value, later: later.append((self._known[hint] or _always, value)) or True
        self._begun.add(hint)
        checks = [(name, self.check_of(each)) for name, each in typed_fields(hint, cls)]
        found = [(name, check) for name, check in checks if check is not None]
        self._known[hint] = check = _record(found, by_key=is_typeddict(cls)) if found else None
        return check


def _never(value: Any, later: Any = None) -> bool:
    return False


def _always(value: Any, later: Any = None) -> bool:
    return True


def _record(checks: list[tuple[str, Check]], *, by_key: bool) -> Check:
    if by_key:
        return lambda value, later=None: all(check(value[name], later) for name, check in checks if name in value)
    names = [name for name, check in checks if check is _is_within]
    if len(names) == len(checks):
        return _integer_fields(names)
    if len(checks) == 1:
        [(only, check_only)] = checks
        return lambda value, later=None: check_only(getattr(value, only, None), later)

    def check_fields(value: Any, later: Any = None) -> bool:
        for name, check in checks:  # noqa: SIM110  # a generator takes twice as long
            if not check(getattr(value, name, None), later):
                return False
        return True

    return check_fields


def _integer_fields(names: list[str]) -> Check:
    if len(names) == 1:
        (only,) = names

        def check_integer(value: Any, later: Any = None) -> bool:
            number = getattr(value, only, None)
            return type(number) is not int or LOWEST <= number <= HIGHEST

        return check_integer

    def check_integers(value: Any, later: Any = None) -> bool:
        for name in names:
            number = getattr(value, name, None)
            if type(number) is int and not LOWEST <= number <= HIGHEST:
                return False
        return True

    return check_integers


def _items(check: Check | None) -> Check | None:
    if check is None:
        return None

    def check_items(value: Any, later: Any = None) -> bool:
        if not isinstance(value, _ARRAYS):  # a default may be of another type
            return True
        if check is _is_within:
            return not value or (min(value) >= LOWEST and max(value) <= HIGHEST)
        for each in value:  # noqa: SIM110  # a generator takes twice as long
            if not check(each, later):
                return False
        return True

    return check_items


def _positions(checks: list[Check | None]) -> Check | None:
    if not any(checks):
        return None

    def check_positions(value: Any, later: Any = None) -> bool:
        pairs = zip(checks, value if isinstance(value, tuple) else (), strict=False)
        return all(check is None or check(each, later) for check, each in pairs)

    return check_positions


def _members(key: Check | None, member: Check | None) -> Check | None:
    if key is None and member is None:
        return None

    def check_members(value: Any, later: Any = None) -> bool:
        if not isinstance(value, Mapping):
            return True
        return (key is None or all(key(each, later) for each in value)) and (
            member is None or all(member(each, later) for each in value.values())
        )

    return check_members


def is_record(cls: type) -> bool:
    """Return whether a class has fields."""
    return fields_of(cls) is not None


def kinds_of_values(hint: Any) -> tuple[Any, ...]:
    """Return the types of the values of a member of a union."""
    cls: Any = get_origin(hint) or hint
    if is_typeddict(cls) or (not is_record(cls) and issubclass(cls, Mapping)):
        return (dict, cls)
    if cls is int or is_record(cls):
        return (cls,)
    return (*_ARRAYS, cls) if issubclass(cls, Collection) and cls not in _ARRAYS else (cls,)


def typed_fields(hint: Any, cls: Any) -> Iterator[tuple[str, Any]]:
    """Return the fields of a class; those of a model have what is said about them apart from their types."""
    models = getattr(cls, "__pydantic_fields__", None)
    for field in fields_of(hint) or ():
        said = models[field.name].metadata if models is not None else ()
        yield field.name, Annotated[(field.hint, *said)] if said else field.hint

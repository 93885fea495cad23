"""The fields of a resource: `title:str`, `due:date?`, `tags:list[str]`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from kick.cli.generate.errors import bad_field

LONGEST: Final = 32

MOST_CHARACTERS: Final = 1000
MOST_ITEMS: Final = 100
MOST_DIGITS: Final = 40
"""Limits of generated texts, lists and decimals: without them, a page of a list could have any size."""

LINE_LENGTH: Final = 100
"""That of the projects of `kick new`."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TYPE: Final = re.compile(r"(?:list\[(?P<item>\w+)\]|(?P<plain>\w+))(?P<optional>\??)")
_RESERVED: Final = frozenset({"id", "self", "cls"})


class Kind(NamedTuple):
    """A type of fields: its name in Python, the module to import it from, and two example values in JSON form.

    `column` is the type of a column in a migration. `wrapper` is the type for `mapped_column()`, if the hint is not
    enough: a class in `columns.py`, or one of SQLAlchemy: `BigInteger`, because an `int` of a request has 64 bits,
    `Double`, because its versions take different types for `float`, and `String`, because texts have a limit.
    """

    hint: str
    source: tuple[str, str | None] | None
    samples: tuple[str, str]
    column: str
    wrapper: str | None = None


KINDS: Final = {
    "str": Kind(
        "str",
        None,
        ('"first"', '"second"'),
        f"sa.String(length={MOST_CHARACTERS})",
        f"String({MOST_CHARACTERS})",
    ),
    "int": Kind("int", None, ("1", "2"), "sa.BigInteger()", "BigInteger"),
    "float": Kind("float", None, ("1.5", "2.5"), "sa.Double()", "Double"),
    "bool": Kind("bool", None, ("True", "False"), "sa.Boolean()"),
    "uuid": Kind(
        "UUID",
        ("uuid", "UUID"),
        ('"6f2c1ad0-8c6e-4a0e-9d29-0b7f1c1f1c01"', '"6f2c1ad0-8c6e-4a0e-9d29-0b7f1c1f1c02"'),
        "sa.Uuid()",
    ),
    "datetime": Kind(
        "datetime.datetime",
        ("datetime", None),
        ('"2026-01-02T03:04:05Z"', '"2026-02-03T04:05:06Z"'),
        "sa.DateTime(timezone=True)",
        "UTCDateTime",
    ),
    "date": Kind("datetime.date", ("datetime", None), ('"2026-01-02"', '"2026-02-03"'), "sa.Date()"),
    "decimal": Kind(
        "Decimal", ("decimal", "Decimal"), ('"1.50"', '"2.50"'), "sa.Numeric(precision=12, scale=2)", "TwoDecimals"
    ),
}

_HIDING: Final = frozenset({"str", "int", "float", "bool", "list", "datetime"})
"""Names that the type hints of other fields use."""


class Field(NamedTuple):
    """A field."""

    name: str
    kind: Kind
    is_list: bool
    is_optional: bool

    @property
    def declaration(self) -> str:
        """The line in the class of requests, with the limits of texts and lists.

        >>> parse_field("due:date?").declaration
        'due: datetime.date | None = None'
        >>> parse_field("title:str").declaration
        'title: Annotated[str, Meta(max_length=1000)]'
        """
        item = _limited("str", MOST_CHARACTERS) if self.kind.hint == "str" else self.kind.hint
        hint = _limited(f"list[{item}]", MOST_ITEMS) if self.is_list else item
        return f"{self.name}: {hint} | None = None" if self.is_optional else f"{self.name}: {hint}"

    @property
    def hint(self) -> str:
        """The type of the column, without limits, and without that it may be `None`."""
        return f"list[{self.kind.hint}]" if self.is_list else self.kind.hint

    def sample(self, which: int) -> str:
        """Return the first or second value of a test as a Python expression."""
        value = self.kind.samples[which]
        return f"[{value}]" if self.is_list else value


def _limited(hint: str, most: int) -> str:
    return f"Annotated[{hint}, Meta(max_length={most})]"


def _in_tuple(field: Field) -> str:
    value = f"self.{field.name}"
    if not field.is_list:
        return value
    return f"*({value} or ())" if field.is_optional else f"*{value}"


def check_of_decimals(fields: Sequence[Field]) -> str:
    """Return the method that limits the decimals of a class of requests: `Meta` has no limit for them.

    >>> print(check_of_decimals([parse_field("price:decimal"), parse_field("rates:list[decimal]?")]))
    <BLANKLINE>
    <BLANKLINE>
        def __post_init__(self) -> None:
            for number in (self.price, *(self.rates or ())):
                if len(str(number)) > 40:
                    raise ValueError("A number has at most 40 digits")
    >>> check_of_decimals([parse_field("title:str")])
    ''
    """
    numbers = [_in_tuple(each) for each in fields if each.kind is KINDS["decimal"]]
    if not numbers:
        return ""
    line = f"        for number in ({', '.join(numbers)}{',' if len(numbers) == 1 else ''}):"
    if len(line) > LINE_LENGTH:
        items = "".join(f"            {number},\n" for number in numbers)
        line = f"        for number in (\n{items}        ):"
    return f"""

    def __post_init__(self) -> None:
{line}
            if len(str(number)) > {MOST_DIGITS}:
                raise ValueError("A number has at most {MOST_DIGITS} digits")"""


def parse_field(text: str) -> Field:
    """Parse a field.

    >>> parse_field("sizes:list[int]").declaration
    'sizes: Annotated[list[int], Meta(max_length=100)]'

    Raises `KickError`: `generate-field`.
    """
    name, colon, type_name = text.partition(":")
    if not colon or not type_name:
        raise bad_field(text, "it has no type")
    if _NAME.fullmatch(name) is None:
        raise bad_field(text, "its name is not written in small letters, digits and single underscores, a letter first")
    if len(name) > LONGEST:
        raise bad_field(text, f"its name is longer than {LONGEST} characters")
    if keyword.iskeyword(name):
        raise bad_field(text, f"{name} is a keyword of Python")
    if name in _RESERVED:
        raise bad_field(text, f"{name} is a field that each resource has" if name == "id" else f"{name} is taken")
    if name in _HIDING:
        raise bad_field(text, f"a field named {name} would hide the type")
    match = _TYPE.fullmatch(type_name)
    kind = KINDS.get(match["item"] or match["plain"]) if match else None
    if match is None or kind is None:
        raise bad_field(text, f"there is no type {type_name!r}")
    return Field(name, kind, is_list=match["item"] is not None, is_optional=bool(match["optional"]))


def parse_fields(texts: Sequence[str]) -> list[Field]:
    """Parse the fields of a resource. Raises `KickError`: `generate-field` for none, and for two with one name."""
    if not texts:
        raise bad_field("", "a resource needs at least one field")
    fields = [parse_field(text) for text in texts]
    seen: set[str] = set()
    for field, text in zip(fields, texts, strict=True):
        if field.name in seen:
            raise bad_field(text, "two fields have this name")
        seen.add(field.name)
    return fields


def imports_of(fields: Sequence[Field], *others: tuple[str, str | None]) -> list[str]:
    """Return the import lines for the hints of fields, in the order of isort. `others` are further names, by module.

    >>> imports_of([parse_field("a:uuid"), parse_field("b:date"), parse_field("c:datetime")], ("typing", "Annotated"))
    ['import datetime', 'from typing import Annotated', 'from uuid import UUID']
    """
    sources = sorted({*others, *(each.kind.source for each in fields if each.kind.source)}, key=lambda each: each[0])
    plain = [f"import {module}" for module, name in sources if name is None]
    return [*plain, *(f"from {module} import {name}" for module, name in sources if name is not None)]

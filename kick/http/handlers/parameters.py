"""Markers for the part of the request that a handler parameter gets.

| parameter | value |
|---|---|
| `note: Body[Note]` | the body, as `body: Note` does |
| `page: Query[Page]` | the query string, as `query: Page` does |
| `limit: Query[int] = 10` | the parameter `limit` of the query string: a plain type takes one parameter |
| `tags: Query[list[str]] = []` | all parameters `tags` |
| `since: Annotated[date, FromQuery("from")]` | the parameter of that name |
| `user_agent: Header[str]` | the header `User-Agent` |
| `if_match: Header[str \\| None] = None` | the header `If-Match`, or `None` |
| `accept: Header[list[str]]` | the items of the header |
| `token: Annotated[str, FromHeader("X-Token")]` | the header of that name |
| `theme: Cookie[Literal["dark", "light"]] = "light"` | the cookie `theme` |
| `seen: Annotated[bool, FromCookie("seen-intro")] = False` | the cookie of that name |

For type checkers, `Header[str]` is `str`. A value is converted to its type and validated.
"""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec

T = TypeVar("T")


class FromBody(msgspec.Struct, frozen=True):
    """Marks a parameter that gets the body. `Body[Note]` is `Annotated[Note, FromBody()]`.

    >>> marker_of(Body[int])
    FromBody()
    """


class FromQuery(msgspec.Struct, frozen=True):
    """Marks a parameter that gets the query string. `Query[Page]` is `Annotated[Page, FromQuery()]`.

    A plain type, such as `int`, `date | None` or `list[str]`, takes one parameter of the query string. The default
    `name` is that of the parameter. A type with fields takes all of them, and no name.

    >>> FromQuery("from").wire_name("since"), FromQuery().wire_name("limit")
    ('from', 'limit')
    """

    name: str | None = None
    """The name in the query string; by default that of the parameter."""

    def wire_name(self, parameter: str) -> str:
        """Return the name in the query string."""
        return self.name or parameter


class FromHeader(msgspec.Struct, frozen=True):
    """Marks a parameter that gets a header of the request (RFC 9110, section 5).

    `name` is the name of the header, in any case. The default is the name of the parameter with dashes for underscores.

    >>> FromHeader("X-Token").wire_name("token"), FromHeader().wire_name("user_agent")
    ('x-token', 'user-agent')
    """

    name: str | None = None
    """The name of the header; by default that of the parameter, with dashes for underscores."""

    def wire_name(self, parameter: str) -> str:
        """Return the name of the header, in lower case."""
        return (self.name or parameter.replace("_", "-")).lower()


class FromCookie(msgspec.Struct, frozen=True):
    """Marks a parameter that gets a cookie (RFC 6265, section 5.4). The default `name` is that of the parameter.

    >>> FromCookie("seen-intro").wire_name("seen"), FromCookie().wire_name("theme")
    ('seen-intro', 'theme')
    """

    name: str | None = None
    """The name of the cookie; by default that of the parameter."""

    def wire_name(self, parameter: str) -> str:
        """Return the name of the cookie."""
        return self.name or parameter


Body: TypeAlias = Annotated[T, FromBody()]
"""A parameter of any name that gets the body: `note: Body[Note]`."""

Query: TypeAlias = Annotated[T, FromQuery()]
"""A parameter that gets the query string, `page: Query[Page]`, or one of its parameters, `limit: Query[int] = 10`."""

Header: TypeAlias = Annotated[T, FromHeader()]
"""A parameter that gets the header of its name: `user_agent: Header[str]`."""

Cookie: TypeAlias = Annotated[T, FromCookie()]
"""A parameter that gets the cookie of its name: `theme: Cookie[str]`."""


Marker: TypeAlias = FromBody | FromQuery | FromHeader | FromCookie


def marker_of(hint: Any) -> Marker | None:
    """Return the marker in a type; of several markers, the outermost.

    >>> marker_of(Header[str] | None), marker_of(Annotated[Header[str], FromHeader("X-Token")]), marker_of(str)
    (FromHeader(name=None), FromHeader(name='X-Token'), None)
    """
    if isinstance(hint, type):
        return None
    if get_origin(hint) in (Union, UnionType):
        return next((found for each in get_args(hint) if (found := marker_of(each)) is not None), None)
    metadata = hint.__metadata__ if get_origin(hint) is Annotated else ()
    return next((each for each in reversed(metadata) if isinstance(each, Marker)), None)


def unmarked(hint: Any) -> Any:
    """Return a type without the markers in it.

    >>> unmarked(Header[str]) is str, unmarked(Header[str] | None) == str | None
    (True, True)
    """
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(map(unmarked, get_args(hint)))]  # noqa: UP007  # its members are known only at run time
    if get_origin(hint) is not Annotated:
        return hint
    others = [each for each in hint.__metadata__ if not isinstance(each, Marker)]
    return Annotated[(hint.__origin__, *others)] if others else hint.__origin__


def is_socket(hint: Any) -> bool:
    """Return true if a type is `Socket`. It is recognised by an attribute, so its module need not be imported.

    >>> from kick.http import Socket
    >>> is_socket(Socket[str, str]), is_socket(Annotated[Socket, "chat"]), is_socket(str)
    (True, True, False)
    """
    if not isinstance(hint, type):
        hint = hint.__origin__ if get_origin(hint) is Annotated else hint
        hint = get_origin(hint) or hint
    return getattr(hint, "is_socket", False) is True

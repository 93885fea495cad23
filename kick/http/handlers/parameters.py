"""Markers of handler parameters: the part of the request that fills them.

| a parameter | gets |
|---|---|
| `note: Body[Note]` | the body, as `body: Note` does |
| `page: Query[Page]` | the query string, as `query: Page` does |
| `user_agent: Header[str]` | the header `User-Agent` |
| `if_match: Header[str \\| None] = None` | the header `If-Match`, or `None` |
| `accept: Header[list[str]]` | what the header lists, one by one |
| `token: Annotated[str, FromHeader("X-Token")]` | the header of that name |
| `theme: Cookie[Literal["dark", "light"]] = "light"` | the cookie `theme` |
| `seen: Annotated[bool, FromCookie("seen-intro")] = False` | the cookie of that name |

Type checkers take `Header[str]` for `str`. A value is converted and validated as its type says.
"""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec

T = TypeVar("T")


class FromBody(msgspec.Struct, frozen=True):
    """Marks a parameter that the body fills. `Body[Note]` is `Annotated[Note, FromBody()]`.

    >>> marker_of(Body[int])
    FromBody()
    """


class FromQuery(msgspec.Struct, frozen=True):
    """Marks a parameter that the whole query string fills. `Query[Page]` is `Annotated[Page, FromQuery()]`.

    >>> marker_of(Query[dict[str, int]])
    FromQuery()
    """


class FromHeader(msgspec.Struct, frozen=True):
    """Marks a parameter that a header of the request fills (RFC 9110, section 5).

    `name` is that of the header, in any case; without one it is the name of the parameter, its underscores made dashes.

    >>> FromHeader("X-Token").wire_name("token"), FromHeader().wire_name("user_agent")
    ('x-token', 'user-agent')
    """

    name: str | None = None

    def wire_name(self, parameter: str) -> str:
        """Return the name of the header, in lower case."""
        return (self.name or parameter.replace("_", "-")).lower()


class FromCookie(msgspec.Struct, frozen=True):
    """Marks a parameter that a cookie fills (RFC 6265, section 5.4); without a `name`, the cookie of its own name.

    >>> FromCookie("seen-intro").wire_name("seen"), FromCookie().wire_name("theme")
    ('seen-intro', 'theme')
    """

    name: str | None = None

    def wire_name(self, parameter: str) -> str:
        """Return the name of the cookie."""
        return self.name or parameter


Body: TypeAlias = Annotated[T, FromBody()]
"""A parameter that the body fills, whatever its name: `note: Body[Note]`."""

Query: TypeAlias = Annotated[T, FromQuery()]
"""A parameter that the query string fills, whatever its name: `page: Query[Page]`."""

Header: TypeAlias = Annotated[T, FromHeader()]
"""A parameter that the header of its name fills: `user_agent: Header[str]`."""

Cookie: TypeAlias = Annotated[T, FromCookie()]
"""A parameter that the cookie of its name fills: `theme: Cookie[str]`."""


Marker: TypeAlias = FromBody | FromQuery | FromHeader | FromCookie


def marker_of(hint: Any) -> Marker | None:
    """Return the marker in a type; the outermost, where there are several.

    >>> marker_of(Header[str] | None), marker_of(Annotated[Header[str], FromHeader("X-Token")]), marker_of(str)
    (FromHeader(name=None), FromHeader(name='X-Token'), None)
    """
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
        return Union[tuple(map(unmarked, get_args(hint)))]  # noqa: UP007  # made of what is known at run time only
    if get_origin(hint) is not Annotated:
        return hint
    others = [each for each in hint.__metadata__ if not isinstance(each, Marker)]
    return Annotated[(hint.__origin__, *others)] if others else hint.__origin__


def is_socket(hint: Any) -> bool:
    """Return whether a type is that of a WebSocket, which says so of itself: it is loaded where there are WebSockets.

    >>> from kick.http import Socket
    >>> is_socket(Socket[str, str]), is_socket(Annotated[Socket, "chat"]), is_socket(str)
    (True, True, False)
    """
    hint = hint.__origin__ if get_origin(hint) is Annotated else hint
    return getattr(get_origin(hint) or hint, "is_socket", False) is True

"""Handling of a slash at the end of a path, chosen at start-up."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import quote

from starlette.types import Scope

from kick.errors import KickError
from kick.http.routing.paths import root_in
from kick.http.routing.route import Route
from kick.http.routing.router import Found, Miss, Router

TrailingSlash: TypeAlias = Literal["strict", "redirect", "ignore"]
"""Handling of `/notes/` where there is a route `/notes`.

| option | a request for `/notes/` |
|---|---|
| `"strict"` | gets a 404 |
| `"redirect"` | is sent to `/notes`: 301 for GET and HEAD, 308 for other methods, which keep their body |
| `"ignore"` | is served as `/notes` |
"""

_PATH: Final = "/%:@!$&'()*+,;="
_QUERY: Final = _PATH + "?[]"


class Strict:
    """Finds the route of a request. A slash at the end makes a different path.

    >>> Strict(Router()).miss("GET", ["", "notes", ""], {"path": "/notes/"})
    Miss(allowed=(), error=None, location=None)
    """

    def __init__(self, router: Router) -> None:
        self.router = router
        self.find = router.find

    def miss(self, method: str, parts: list[str], scope: Scope) -> Miss:
        """Return the reason why `find` found nothing."""
        return Miss(self.router.allowed(parts))


class Ignoring(Strict):
    """Finds the same route with and without a slash at the end."""

    def __init__(self, router: Router) -> None:
        super().__init__(router)
        self.find = self._find
        for path, routes in [*router.static.items()]:
            if path != "/":
                router.static[f"{path}/"] = routes

    def _find(self, method: str, parts: list[str]) -> Found | None:
        return _without_slash(self.router, method, parts) or self.router.find(method, parts)

    def miss(self, method: str, parts: list[str], scope: Scope) -> Miss:
        """Return the reason why `find` found nothing."""
        allowed = self.router.allowed(parts)
        return Miss(self.router.allowed(parts[:-1]) if not allowed and _has_slash(parts) else allowed)


class Redirecting(Ignoring):
    """Redirects requests for a path with a slash at the end to the path without it, if it has a route."""

    def __init__(self, router: Router) -> None:
        Strict.__init__(self, router)
        self.find = self._find

    def _find(self, method: str, parts: list[str]) -> Found | None:
        return None if _without_slash(self.router, method, parts) else self.router.find(method, parts)

    def miss(self, method: str, parts: list[str], scope: Scope) -> Miss:
        """Return the reason why `find` found nothing, and the location of the route."""
        if _without_slash(self.router, method, parts):
            return Miss(location=location_without_slash(scope))
        return super().miss(method, parts, scope)


_FINDERS: Final[dict[object, type[Strict]]] = {"strict": Strict, "redirect": Redirecting, "ignore": Ignoring}


def finder(router: Router, slash: TrailingSlash) -> Strict:
    """Return the object that finds the routes of an application.

    >>> type(finder(Router(), "ignore")).__name__
    'Ignoring'
    """
    return _FINDERS[slash](router)


def slash_problem(given: object) -> KickError | None:
    """Return the error of `trailing_slash=`, or `None` if it is valid."""
    if given in get_args(TrailingSlash):
        return None
    return KickError(
        "trailing-slash",
        cause=f"bootstrap(trailing_slash={given!r}): there are 'strict', 'redirect' and 'ignore'.",
        fix='Write one of them: `trailing_slash="redirect"`.',
    )


def location_without_slash(scope: Scope) -> bytes:
    """Return the URL without the slash at the end, with its query, for a redirect.

    It always stays on this host: it begins with one slash, and has no backslash, which browsers read as a slash (URL
    Living Standard, section 4.4).

    >>> location_without_slash({"path": "/a b/", "raw_path": b"/a%20b/", "query_string": b"page=2"})
    b'/a%20b?page=2'
    >>> location_without_slash({"path": "//evil.test/", "raw_path": None, "query_string": b""})
    b'/evil.test'
    """
    raw: bytes = (scope.get("raw_path") or b"").partition(b"?")[0] or quote(scope["path"]).encode("ascii")
    root_path: str = scope.get("root_path", "").rstrip("/")
    below = "" if root_in(scope["path"], root_path) else quote(root_path)
    path = "/" + (below + quote(raw.removesuffix(b"/"), safe=_PATH)).lstrip("/")
    query: bytes = scope.get("query_string", b"")
    return (f"{path}?{quote(query, safe=_QUERY)}" if query else path).encode("ascii")


def _has_slash(parts: list[str]) -> bool:
    """Return true if a path ends with one slash that can be removed: `/notes/`, but not `/` or `/notes//`."""
    return not parts[-1] and len(parts) > 2 and bool(parts[-2])


def _without_slash(router: Router, method: str, parts: list[str]) -> Found | None:
    """Find a route without the slash at the end, unless it takes the rest of a path, slashes included."""
    found = router.find(method, parts[:-1]) if _has_slash(parts) else None
    return None if found is None or _takes_rest(found[0]) else found


def _takes_rest(route: Route) -> bool:
    return route.method == "*" or route.path.endswith(":path}")

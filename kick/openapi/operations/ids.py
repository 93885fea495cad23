"""Operation ids: the names of routes, as `ctx.url_for()` takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kick.http.routing.route import Route


def operation_ids(routes: Sequence[Route]) -> list[str]:
    """Return an id for each route: `NoteController.show`, or its `name=`.

    Where several routes have the same name, the module comes before it, then the method after it, then a number. So
    the id of a route does not depend on the order of the others, and not on where its class is defined.
    """
    names = [route.name for route in routes]
    for lengthen in (_with_module, _with_method):
        counts = Counter(names)
        names = [lengthen(route, name) if counts[name] > 1 else name for route, name in zip(routes, names, strict=True)]
    seen: Counter[str] = Counter()
    ids: list[str] = []
    for name in names:
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return ids


def _with_module(route: Route, name: str) -> str:
    return f"{route.module}.{name}"


def _with_method(route: Route, name: str) -> str:
    return f"{name}.{route.method.lower()}"

"""The router finds what somebody finds who tries every route: whatever the routes, and whatever their order."""

import random

import pytest

from kick.http.routing.decorators import RouteInfo
from kick.http.routing.paths import parse_path
from kick.http.routing.route import Route
from kick.http.routing.router import Router

Entry = tuple[str, tuple[str, ...] | None, bool]
"""A path, its methods (`None` for any), and whether it is mounted."""

LITERAL, INT, TEXT, REST, MOUNT = range(5)


def route(method: str, path: str) -> Route:
    info = RouteInfo(method=method, path=path)
    options = {"controller": None, "module": "", "place": path, "info": info, "session": None, "max_body": None}
    return Route(method=method, path=path, name=path, handler=print, endpoint=print, **options)  # type: ignore[arg-type]


def rank(entry: Entry, parts: list[str]) -> tuple[int, ...] | None:
    """How specific an entry is for a path, the lowest being the most; `None` where it does not match."""
    path, _, is_mount = entry
    found: list[int] = []
    left = parts[1:]
    for segment in [] if is_mount and path == "/" else path[1:].split("/"):
        if not left:
            return None
        if segment.endswith(":path}"):
            return (*found, REST)
        part = left.pop(0)
        if not segment.startswith("{"):
            fits, kind = segment == part, LITERAL
        elif "int" in segment:
            fits, kind = part.isdigit(), INT
        else:
            fits, kind = bool(part), TEXT
        if not fits:
            return None
        found.append(kind)
    if is_mount:
        return (*found, MOUNT)
    return None if left else (*found, -1)


def some_entry(chance: random.Random) -> Entry:
    segments = [chance.choice(["a", "b", "1", f"{{n{i}:int}}", f"{{s{i}}}"]) for i in range(chance.randint(0, 3))]
    kind = chance.choice(["route", "route", "rest", "mount"])
    path = "/" + "/".join([*segments, "{rest:path}"] if kind == "rest" else segments)
    if kind == "mount":
        return path, chance.choice([None, ("GET",)]), True
    return path, (chance.choice(["GET", "POST"]),), False


def some_path(chance: random.Random, entries: list[Entry]) -> list[str]:
    """Any path, or one that an entry may have been made for."""
    pieces = ["a", "b", "1", "2", "other", ""]
    if chance.random() < 0.5 or not entries:
        return ["", *(chance.choice(pieces) for _ in range(chance.randint(1, 4)))]
    return [chance.choice(pieces) if part.startswith("{") else part for part in chance.choice(entries)[0].split("/")]


def add(router: Router, entry: Entry) -> bool:
    """Add an entry, where its place is not taken."""
    path, methods, is_mount = entry
    segments = parse_path(path, {}, "")
    if is_mount:
        return router.mount(route("*", path), segments, methods=methods) is None
    return router.add(route((methods or ("GET",))[0], path), segments) is None


@pytest.mark.parametrize("seed", range(8))
def test_the_router_agrees_with_whoever_tries_every_route(seed: int) -> None:
    chance = random.Random(seed)
    found_some = found_by_tail = 0
    for _ in range(500):
        router = Router()
        entries = [entry for entry in (some_entry(chance) for _ in range(chance.randint(1, 7))) if add(router, entry)]
        router.finish(lambda get: get)
        for _ in range(8):
            parts = some_path(chance, entries)
            ranked = [(rank(each, parts), each) for each in entries if each[1] is None or "GET" in each[1]]
            matching = [(order, each) for order, each in ranked if order is not None]
            best = min(matching)[1] if matching else None
            found = router.find("GET", parts)
            got = None if found is None else (found[0].path, found[0].method == "*")
            assert got == (None if best is None else (best[0], best[2])), (entries, parts)
            found_some += found is not None
            path = "/".join(parts)
            by_tail = None if "GET" in router.static.get(path, {}) else router.find_by_tail("GET", path)
            assert by_tail in (None, found), (entries, parts)
            found_by_tail += by_tail is not None
    assert found_some > 100
    assert found_by_tail > 5


@pytest.mark.parametrize("path", ["*", "1", "", "/", "//", "//1"])
def test_what_is_no_path_has_no_last_segment(path: str) -> None:
    router = Router()
    assert add(router, ("/{s0}", ("GET",), False))
    router.finish(lambda get: get)
    assert router.find_by_tail("GET", path) is None
    assert router.find_by_tail("GET", "/1") == router.find("GET", ["", "1"])

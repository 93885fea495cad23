"""Paths Objects: the operations of each path."""

from __future__ import annotations

import re
from typing import Any, Final

_PARAMETER: Final = re.compile(r"\{([A-Za-z_]\w*)(?::([a-z]+))?\}")


class Paths:
    """Collects operations by path and method; `items` is the Paths Object.

    Paths that differ only in the names of their parameters are one path for OpenAPI (3.1, section 4.8.8). So a later
    one takes the names of the first. Where both have an operation of the same method, as `/{id:int}` and `/{name}`
    may, the later path keeps its own names.

    >>> paths = Paths()
    >>> paths.add("/notes/{note_id:int}", "get", {})
    '/notes/{note_id}'
    >>> paths.add("/notes/{id:int}", "put", {"parameters": [{"name": "id", "in": "path"}]})
    '/notes/{note_id}'
    >>> paths.items
    {'/notes/{note_id}': {'get': {}, 'put': {'parameters': [{'name': 'note_id', 'in': 'path'}]}}}
    """

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self._first: dict[str, str] = {}

    def add(self, path: str, method: str, operation: dict[str, Any]) -> str:
        """Add the operation of a route with this path and method, in lower case, and return its path here."""
        own = template_of(path)
        first = self._first.setdefault(_PARAMETER.sub("{}", path), own)
        if method not in self.items.setdefault(first, {}):
            self.items[first][method] = _renamed(operation, dict(zip(_names(own), _names(first), strict=True)))
            return first
        if method in self.items.get(own, {}):  # the kinds of the parameters differ, and not their names
            longer = _PARAMETER.sub(lambda match: "{" + "_".join(filter(None, match.groups())) + "}", path)
            operation = _renamed(operation, dict(zip(_names(own), _names(longer), strict=True)))
            own = longer
        self.items.setdefault(own, {})[method] = operation
        return own


def template_of(path: str) -> str:
    """Return the path as OpenAPI writes it.

    >>> template_of("/files/{user_id:int}/{rest:path}")
    '/files/{user_id}/{rest}'
    """
    return _PARAMETER.sub(r"{\1}", path)


def _names(template: str) -> list[str]:
    return [match[1] for match in _PARAMETER.finditer(template)]


def _renamed(operation: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return an operation whose path parameters have other names."""
    if all(name == other for name, other in names.items()) or "parameters" not in operation:
        return operation
    parameters = [
        {**each, "name": names.get(each["name"], each["name"])} if each["in"] == "path" else each
        for each in operation["parameters"]
    ]
    return {**operation, "parameters": parameters}

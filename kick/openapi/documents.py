"""The documents of an application, made when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from kick.environment import in_development
from kick.errors import KickError
from kick.openapi.errors import bad_openapi, no_version
from kick.openapi.json_values import as_json
from kick.openapi.operation_fields import operation_problems
from kick.openapi.options import OpenAPI

if TYPE_CHECKING:
    from kick.di import Container
    from kick.http.routing.route import Route
    from kick.http.settings import Settings
    from kick.openapi.operations.inputs import Served

MOST_ROOTS: Final = 16
"""The most values of `root_path` for which a document is kept."""


class Documents:
    """The OpenAPI documents of an application: one, or one for each version of its API.

    `option` is that of `bootstrap()`. `is_served` says whether the application has routes for them: those of
    `OpenAPI(...)` or `True` everywhere, those of `None` and of `OpenAPI(in_production=False)` in development.
    """

    def __init__(self, option: OpenAPI | bool | None) -> None:
        given: Any = option
        self.options = given if isinstance(given, OpenAPI) else OpenAPI()
        self.is_asked_for = given is True or isinstance(given, OpenAPI)
        self.is_served = in_development() if given is None else self.is_asked_for
        if not self.options.in_production:
            self.is_served = self.is_served and in_development()
        self.problem = None if given is None or isinstance(given, bool | OpenAPI) else bad_openapi(given)
        self._served: Sequence[Served] = ()
        self._container: Container | None = None
        self._settings: Settings | None = None
        self._paths: dict[str | None, dict[tuple[str, str], str]] = {}
        self._made: dict[str | None, dict[str, Any]] = {}
        self._kept: dict[tuple[str, str | None, str], Any] = {}

    def connect(self, served: Sequence[Served], container: Container, settings: Settings) -> None:
        """Take the routes of the application."""
        self._served, self._container, self._settings = served, container, settings

    @property
    def versions(self) -> list[str]:
        """The versions of the API, the oldest first; none if its routes have no version."""
        from kick.openapi.document import versions_of

        return versions_of(each.route for each in self._served)

    def of(self, version: str | None = None, root_path: str = "") -> dict[str, Any]:
        """Return the document of a version, by default the newest. `root_path` is the path of the server before it.

        Raises `KickError`: `openapi-version` for a version that the API does not have.
        """
        wanted = self._version(version)
        document = self._made.get(wanted)
        if document is None:
            document = self._made[wanted] = self._make(wanted)
        if root_path and not self.options.servers:
            return {**document, "servers": [{"url": root_path}]}
        return document

    def sockets(self, version: str | None = None) -> list[Route]:
        """Return the WebSockets of a version, which have no place in its document."""
        from kick.openapi.document import is_hidden, of_version

        served = of_version(self._served, self._version(version))
        return [each.route for each in served if each.route.is_websocket and not is_hidden(each.route)]

    def path_of(self, route: Route) -> str | None:
        """Return the path of a route in the document of its version; `None` if it is not described."""
        version = route.version if route.version is not None else self._version(None)
        if version not in self._paths:
            from kick.openapi.document import described_paths, of_version

            self._paths[version] = described_paths(of_version(self._served, version))
        return self._paths[version].get(("GET" if route.method == "HEAD" else route.method, route.path))

    def copy_of(self, version: str | None = None) -> dict[str, Any]:
        """Return the document of a version, for somebody who may change it. Raises as `of()` does."""
        return deepcopy(self.of(version))

    def kept(self, kind: str, version: str | None, root_path: str, make: Callable[[dict[str, Any]], Any]) -> Any:
        """Return what was made of a document, such as its bytes; `kind` names it."""
        key = kind, version, root_path
        if key not in self._kept:
            if len(self._kept) >= MOST_ROOTS:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = make(self.of(version, root_path))
        return self._kept[key]

    def problems(self) -> list[KickError]:
        """Return the mistakes in `openapi=` of routes, and in the documents that somebody has asked for."""
        found = operation_problems(each.route for each in self._served)
        if not self.is_asked_for or self._container is None or self._settings is None:
            return found
        from kick.openapi.checks import document_problems

        return found or document_problems(self.options, self._served, self._container, self._settings)

    def _version(self, version: str | None) -> str | None:
        versions = self.versions
        if version is None:
            return versions[-1] if versions else None
        if version not in versions:
            raise no_version(version, versions)
        return version

    def _make(self, version: str | None) -> dict[str, Any]:
        from kick.openapi.document import make_document, of_version

        if self._container is None or self._settings is None:
            raise RuntimeError("the application is not assembled yet")
        served = of_version(self._served, version)
        document, _ = make_document(self.options, served, self._container, self._settings)
        return as_json(document)

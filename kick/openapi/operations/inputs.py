"""Inputs of an operation: the parts of the request that its handler and its providers read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from kick.di import Container
from kick.di.graph import is_hashable
from kick.http.handlers.plan import CallPlan, Source
from kick.http.handlers.provider_parameters import PartOfRequest
from kick.http.request.body import WITHOUT_BODY
from kick.http.routing.route import Route

_NO_VALUE = object()


class Served(Protocol):
    """The parts of a route's chain that the document needs."""

    @property
    def route(self) -> Route:
        """The route."""
        ...

    @property
    def plan(self) -> CallPlan:
        """The plan of its handler."""
        ...

    @property
    def outer(self) -> Sequence[Any]:
        """The middleware of the application that runs on the route."""
        ...

    @property
    def inner(self) -> Sequence[Any]:
        """The middleware of the module, controller and method that runs on the route."""
        ...

    def uses_session(self, container: Container) -> bool:
        """Return true if anything on the route may use the session."""
        ...


class Input(NamedTuple):
    """A part of the request: its source, name and type, and its default if it may be missing."""

    source: Source
    name: str
    hint: Any
    required: bool
    default: Any = _NO_VALUE

    @property
    def has_default(self) -> bool:
        """True if a default is known."""
        return self.default is not _NO_VALUE


def inputs_of(served: Served, container: Container) -> list[Input]:
    """Return the parts of the request that a handler reads, and then those of its providers."""
    found: dict[tuple[Source, str], Input] = {}
    for each in (*_of_handler(served.plan), *_of_providers(parts_of(served, container))):
        found.setdefault((each.source, each.name), each)
    return list(found.values())


def keys_of(served: Served) -> list[Any]:
    """Return the types that the handler of a route gets from the container, and its controller."""
    injected = [each.hint for each in served.plan.arguments if each.source is Source.CONTAINER]
    return [served.route.controller, *filter(is_hashable, injected)]


def targets_of(served: Served, container: Container) -> list[Any]:
    """Return what may declare errors and security schemes: handler, controller, and what is made for each request."""
    return [served.route.handler, served.route.controller, *container.factories_of(keys_of(served))]


def parts_of(served: Served, container: Container) -> list[PartOfRequest]:
    """Return the parts of the request that the providers of a handler read."""
    parts: list[PartOfRequest] = container.parts_of(keys_of(served))
    return parts


def _of_handler(plan: CallPlan) -> Iterator[Input]:
    for each in plan.arguments:
        if each.source is Source.FORM and plan.info.method in WITHOUT_BODY:
            continue  # the form is shown, and none is sent
        if each.source in _READ:
            default = each.default if each.has_default else _NO_VALUE
            yield Input(each.source, each.name, each.hint, not each.has_default, default)


def _of_providers(parts: Sequence[PartOfRequest]) -> Iterator[Input]:
    for each in parts:
        default = each.default if each.has_default else _NO_VALUE
        yield Input(Source(each.source), each.name, each.hint, not each.has_default, default)


_READ = (
    Source.PATH,
    Source.QUERY,
    Source.PARAMETER,
    Source.HEADER,
    Source.COOKIE,
    Source.BODY,
    Source.FORM,
    Source.FILE,
)

"""Operation Objects: one for each method of a path."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from itertools import product
from types import NoneType
from typing import Any, Final

from kick.di import Container
from kick.di.naming import core
from kick.http.description import Description
from kick.http.handlers.parameters import unmarked
from kick.http.handlers.plan import Source
from kick.http.middleware import Middleware
from kick.http.request.body import WITHOUT_BODY
from kick.http.routing.decorators import controller_info
from kick.http.routing.raises import raised_by, secured_by
from kick.http.settings import Settings
from kick.http.validation.conversion import is_constrained
from kick.http.validation.type_parts import members_of
from kick.openapi.operations.bodies import body_of, limits_of
from kick.openapi.operations.inputs import Input, Served, inputs_of, targets_of
from kick.openapi.operations.parameters import parameters_of
from kick.openapi.operations.responses import answers_of, complete, declared_errors, page_of, problems_of
from kick.openapi.schemas.schemas import Schemas

_ARGUMENTS: Final = re.compile(r"^(Arguments|Args|Raises|Returns|Yields|Examples?|Note):\s*$", re.MULTILINE)
"""The sections of a docstring that are for readers of the code."""

_VALIDATED: Final = {Source.QUERY, Source.BODY, Source.FORM, Source.FILE, Source.HEADER, Source.COOKIE}
"""The sources whose values are a 422 where they do not fit. That of a form is raised by `Form.value`."""


class Operations:
    """Makes the operations of an application.

    Its argument `schemes` has the security schemes of the application. The attribute of this name has those that
    middleware has named so far.
    """

    def __init__(
        self, container: Container, settings: Settings, schemas: Schemas, schemes: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._own_schemes = schemes
        self.schemes: dict[str, Mapping[str, Any]] = {}
        self._container = container
        self._settings = settings
        self._schemas = schemas

    def of(self, served: Served, operation_id: str) -> dict[str, Any]:
        """Return the operation of a route."""
        route, plan = served.route, served.plan
        inputs = inputs_of(served, self._container)
        described = [each for each in self._descriptions(served) if each != Description()]
        operation: dict[str, Any] = {"tags": [route.module], **texts_of(route.handler), "operationId": operation_id}
        info = controller_info(route.controller) if route.controller is not None else None
        if route.info.deprecated or (info is not None and info.deprecated):
            operation["deprecated"] = True
        parameters = [
            *parameters_of(route.path, inputs, self._schemas, plan.place),
            *(parameter for each in described for parameter in _headers_of(each)),
        ]
        if parameters:
            operation["parameters"] = parameters
        body = body_of(plan, inputs, self._schemas)
        if body is not None:
            operation["requestBody"] = body
        reasons = [*self._own_reasons(served, inputs), *self._raised(served)]
        reasons += [item for each in described for item in each.errors.items()]
        responses = answers_of(plan, self._schemas)
        for status, text in (item for each in described for item in each.responses.items()):
            responses.setdefault(str(status), {"description": text})
        error_types = [media_type for each in described for media_type in each.error_types]
        operation["responses"] = responses | problems_of(reasons, self._schemas, error_types)
        if plan.response.says_nothing and any(each.source is Source.FORM for each in inputs):
            for status, response in operation["responses"].items():
                if status.startswith("4"):
                    response["content"] |= page_of(plan)
        security = self._security(served, described)
        if security:
            operation["security"] = security
        given: dict[str, Any] = {}
        for fields in (info.openapi if info is not None else True, route.info.openapi):
            if isinstance(fields, Mapping):
                given = merged(given, fields)
        operation = merged(operation, given)
        operation["responses"] = complete(
            operation["responses"], given.get("responses", {}), plan.response.says_nothing
        )
        return operation

    def _descriptions(self, served: Served) -> Iterator[Description]:
        for layer in (*served.outer, *served.inner):
            if isinstance(layer, Middleware) and (not layer.optional or served.uses_session(self._container)):
                yield layer.describe(served.route)

    def _security(self, served: Served, described: list[Description]) -> list[dict[str, list[str]]]:
        for each in described:
            self.schemes.update(each.schemes)
        with_cookies = [name for each in described for name in each.security_with_cookies]
        demanded: list[tuple[str, ...]] = [(name,) for each in described for name in each.security]
        demanded += [schemes for target in self._targets(served) for schemes in secured_by(target)]
        if not demanded:
            return [{}, {name: [] for name in with_cookies}] if with_cookies else []
        alternatives: list[dict[str, list[str]]] = [{name: [] for name in each} for each in product(*demanded)]
        for alternative in alternatives:
            if any(map(self._is_cookie, alternative)):
                alternative |= {name: [] for name in with_cookies}
        # What contains another alternative demands more than is needed.
        return [one for one in alternatives if not any(other.keys() < one.keys() for other in alternatives)]

    def _is_cookie(self, name: str) -> bool:
        return {**self.schemes, **self._own_schemes}.get(name, {}).get("in") == "cookie"

    def _raised(self, served: Served) -> Iterator[tuple[int, str]]:
        for target in self._targets(served):
            yield from declared_errors(raised_by(target))

    def _targets(self, served: Served) -> list[Any]:
        return targets_of(served, self._container)

    def _own_reasons(self, served: Served, inputs: list[Input]) -> Iterator[tuple[int, str]]:
        """Return the errors with which kick itself answers."""
        route, plan = served.route, served.plan
        sources = {each.source for each in inputs}
        has_body = bool(sources & {Source.BODY, Source.FILE, Source.FORM})
        if has_body or sources & {Source.QUERY, Source.PARAMETER}:
            yield 400, ""
        paths = [each for each in inputs if each.source is Source.PATH]
        if ":" in route.path or any(each.hint is not str for each in paths):
            yield 404, ""
        limit = self._settings.max_body if route.max_body is None else route.max_body
        reads = has_body or (plan.takes(Source.CONTEXT) and route.method not in WITHOUT_BODY)
        if reads and (limit is not None or any(each.max_size for each in limits_of(plan).values())):
            yield 413, ""
        if has_body and any(each.hint is not bytes for each in inputs if each.source is not Source.PATH):
            yield 415, ""
        constrained = plan.info.path_errors == 422 and any(is_constrained(each.hint) for each in paths)
        if constrained or any(map(_may_be_invalid, inputs)):
            yield 422, "The request does not fit: `errors` has every error and its location."


def _may_be_invalid(given: Input) -> bool:
    """Return true if a part of the request may be a 422. A text without constraints that may be missing is none."""
    if given.source not in (Source.PARAMETER, Source.HEADER, Source.COOKIE):
        return given.source in _VALIDATED
    hint = unmarked(given.hint)
    return given.required or is_constrained(hint) or not {*members_of(hint)} <= {str, NoneType}


def texts_of(handler: Any) -> dict[str, str]:
    """Return the summary and the description in the docstring of a handler: its first line, and the rest.

    >>> texts_of(merged)["summary"]
    'Return an object with the members of another one, at any depth'
    """
    text = inspect.getdoc(core(handler)) or ""
    section = _ARGUMENTS.search(text)
    text = text[: section.start()].rstrip() if section is not None else text
    first, _, rest = text.partition("\n\n")
    summary = " ".join(first.split())
    if not summary.endswith(".."):
        summary = summary.removesuffix(".")
    found = {"summary": summary or _words(getattr(core(handler), "__name__", ""))}
    if rest.strip():
        found["description"] = rest.strip()
    return found


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the members of another one, at any depth.

    >>> merged({"a": {"b": 1}}, {"a": {"c": 2}})
    {'a': {'b': 1, 'c': 2}}
    """
    found = dict(one)
    for name, value in ((str(key), value) for key, value in other.items()):  # a status may be a number
        own = found.get(name)
        found[name] = merged(own, value) if isinstance(own, Mapping) and isinstance(value, Mapping) else value
    return found


def _headers_of(described: Description) -> Iterator[dict[str, Any]]:
    for name, text in described.headers.items():
        yield {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}


def _words(name: str) -> str:
    """Return the name of a function as words.

    >>> _words("list_notes")
    'List notes'
    """
    return name.replace("_", " ").strip().capitalize()

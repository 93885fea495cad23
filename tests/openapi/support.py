"""Documents of small applications, each checked against the schema of OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from kick import App, Module, bootstrap
from kick.openapi import OpenAPI

PROBLEM = "application/problem+json"


def app_of(*controllers: type, middleware: Sequence[Any] = (), **options: Any) -> App:
    """An application with a module `notes`, and a document if nothing else is said."""
    options.setdefault("openapi", OpenAPI(title="Notes", version="1"))
    return bootstrap([Module("notes", controllers=controllers)], middleware, **options)


def document_of(*controllers: type, middleware: Sequence[Any] = (), **options: Any) -> dict[str, Any]:
    """The document of an application, which is valid."""
    return checked(app_of(*controllers, middleware=middleware, **options).openapi())


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """A document, after its whole text was found to be valid."""
    errors = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in _errors(document)]
    assert errors == []
    return document


def _errors(document: dict[str, Any]) -> Iterable[Any]:
    return OpenAPIV31SpecValidator(document).iter_errors()


def operation(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """One operation of a document."""
    found: dict[str, Any] = document["paths"][path][method]
    return found


def parameters(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters of an operation by their names."""
    return {each["name"]: each for each in operation.get("parameters", ())}


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """A validator of values for a schema of a document."""
    whole = {"components": document.get("components", {}), **schema}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


def fits(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    """Whether a value is valid under a schema of a document."""
    return bool(validator(document, schema).is_valid(value))

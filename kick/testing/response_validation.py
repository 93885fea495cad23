"""Validation of responses against the OpenAPI document of their application, for `TestClient(app, validate=True)`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from kick.app import App
from kick.errors import KickError, missing_extra
from kick.http.routing.route import Route

try:
    import jsonschema  # type: ignore[import-untyped]
    from jsonschema.exceptions import best_match  # type: ignore[import-untyped]
except ModuleNotFoundError:
    raise missing_extra("TestClient(validate=True)", "jsonschema", "testing") from None

_MOST: Final = 5
"""The most errors of a body that a message lists."""
_LONGEST: Final = 200
"""The most characters of a value that a message shows."""
_WITHOUT_BODY: Final = frozenset({204, 205, 304})


class ResponseMismatch(AssertionError):
    """A response that the OpenAPI document of its application does not allow. It fails a test.

    `operation` is its method and path, and `problem` what is wrong, with the place and the value.

    >>> raise ResponseMismatch("GET /notes/{note_id}", "/id is '7', which is not of type 'integer'")
    Traceback (most recent call last):
    kick.testing.response_validation.ResponseMismatch: GET /notes/{note_id}: /id is '7', which is not of type 'integer'
    """

    def __init__(self, operation: str, problem: str) -> None:
        super().__init__(operation, problem)
        self.operation = operation
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.operation}: {self.problem}"


class ResponseValidator:
    """Checks the responses of an application against its OpenAPI documents.

    Requests that match no route, and routes that are not in the document, are not checked.

    Arguments:
        app: the application of `bootstrap()`.
        root_path: the path below which the application is served.

    Raises `KickError`: `validate-app` for another ASGI application, which has no document.
    """

    def __init__(self, app: Any, root_path: str = "") -> None:
        if not isinstance(app, App):
            raise not_an_app(app)
        self._app = app
        self._root_path = root_path
        self._documents: dict[str | None, DocumentValidator] = {}

    def read_and_check(self, response: Any) -> None:
        """Check an `httpx2.Response`, and read its body if that is compared. Raises `ResponseMismatch`."""
        if _is_read(response):
            response.read()
        self.check(response)

    async def aread_and_check(self, response: Any) -> None:
        """Check a response of an `httpx2.AsyncClient`, as `read_and_check` does."""
        if _is_read(response):
            await response.aread()
        self.check(response)

    def check(self, response: Any) -> None:
        """Check a response whose body has been read, if it is JSON. Raises `ResponseMismatch`."""
        method = str(response.request.method).upper()
        route = self._route(method, response.request.url)
        if route is None:
            return
        validator = self._documents.get(route.version)
        if validator is None:
            validator = DocumentValidator(self._app.documents.of(route.version))
            self._documents[route.version] = validator
        path = self._app.documents.path_of(route)
        if path is not None:
            validator.check(method, path, response)

    def _route(self, method: str, url: Any) -> Route | None:
        """Return the route that has answered a request."""
        raw_path = url.raw_path.partition(b"?")[0]
        path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
        scope = {"type": "http", "method": method, "path": path, "raw_path": raw_path, "headers": []}
        ctx, _ = self._app.find({**scope, "root_path": self._root_path}, _unused, _unused)
        return ctx.route


class DocumentValidator:
    """Checks responses against an OpenAPI document: status, media type, required headers, and the schema of JSON."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._validators: dict[tuple[str, str, str], Any] = {}

    def check(self, method: str, path: str, response: Any) -> None:
        """Check the response of an operation; `path` is its path in the document. Raises `ResponseMismatch`.

        An operation that is not in the document is not checked.
        """
        described = "GET" if method == "HEAD" else method  # with the same headers, and without a body
        operation = self.document.get("paths", {}).get(path, {}).get(described.lower())
        if operation is not None:
            name = f"{method} {path} ({operation.get('operationId', 'without an id')})"
            self._check(operation, name, response, is_head=method == "HEAD")

    def _check(self, operation: Mapping[str, Any], name: str, response: Any, *, is_head: bool) -> None:
        status = int(response.status_code)
        declared = operation.get("responses", {})
        key = next((each for each in (str(status), f"{status // 100}XX", "default") if each in declared), None)
        if key is None:
            listed = ", ".join(declared) or "none"
            raise ResponseMismatch(name, f"the status {status} is not declared ({listed}). {_body(response)}")
        described = _resolved(self.document, declared[key])
        for header, about in described.get("headers", {}).items():
            if _resolved(self.document, about).get("required") and header not in response.headers:
                raise ResponseMismatch(name, f"the response {status} has no header {header}")
        promises_nothing = key == "default" and "content" not in described
        if is_head or status in _WITHOUT_BODY or promises_nothing:
            return
        place = f"the response {status}"
        media_type, schema = _content(described.get("content", {}), response, name, place)
        if schema is not None:
            problems = self._errors((name, key, media_type), schema, _json(response, name, place))
            if problems:
                raise ResponseMismatch(name, f"{place} does not fit its schema: {'; '.join(problems)}")

    def _errors(self, key: tuple[str, str, str], schema: Mapping[str, Any], value: Any) -> list[str]:
        """Return the errors of a value, each with its place as a JSON Pointer (RFC 6901)."""
        validator = self._validators.get(key)
        if validator is None:
            whole = {**schema, "components": self.document.get("components", {})}  # where its references lead
            validator = jsonschema.Draft202012Validator(whole, format_checker=_formats())
            self._validators[key] = validator
        errors = sorted(validator.iter_errors(value), key=lambda each: list(map(str, each.absolute_path)))
        shown = [_told(error) for error in errors[:_MOST]]
        return shown if len(errors) <= _MOST else [*shown, f"and {len(errors) - _MOST} more"]


def not_an_app(given: object) -> KickError:
    """Return the error of `TestClient(validate=True)` for an application without a document."""
    return KickError(
        "validate-app",
        cause=f"TestClient(validate=True) needs an OpenAPI document, and {type(given).__name__} has none.",
        fix="Pass the application that `bootstrap()` returns: `TestClient(bootstrap([...]), validate=True)`.",
    )


def _content(content: Mapping[str, Any], response: Any, name: str, place: str) -> tuple[str, Any]:
    """Return the media type of a response and the schema of its JSON, or no schema if there is nothing to compare."""
    media_type = _media_type(response)
    if not content:
        if media_type and response.headers.get("content-length") != "0":
            raise ResponseMismatch(name, f"{place} is declared without a body. {_body(response)}")
        return media_type, None
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    by_type = {declared.partition(";")[0].strip().lower(): about for declared, about in content.items()}
    found = next((by_type[each] for each in ranges if each in by_type), None)
    if found is None:
        raise ResponseMismatch(name, f"{place} is {media_type!r}, declared is {', '.join(content)}")
    return media_type, found.get("schema") if _is_json(media_type) else None


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


def _is_read(response: Any) -> bool:
    """Return true for JSON. Other bodies are not compared, and may be streams without an end."""
    return _is_json(_media_type(response))


def _media_type(response: Any) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _body(response: Any) -> str:
    """Return a sentence about a body: its text, if it was read."""
    media_type = _media_type(response)
    if _is_json(media_type):
        return f"Its body: {_shown(response.text)}"
    return f"Its body is {media_type!r}." if media_type else "It has no body."


def _json(response: Any, name: str, place: str) -> Any:
    try:
        return json.loads(response.content)
    except ValueError as error:
        raise ResponseMismatch(name, f"{place} is no JSON ({error}): {_shown(response.text)}") from None


def _told(error: Any) -> str:
    """Return an error with its place and its value; of alternatives, the nearest."""
    nearest = best_match([error]) if error.context else error
    place = "".join(f"/{_escaped(each)}" for each in nearest.absolute_path)
    return f"{place or 'the whole body'} is {_shown(json.dumps(nearest.instance))}: {_reason(nearest)}"


def _reason(error: Any) -> str:
    """Return the violated keyword, without the value, which may be long."""
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        return _shown(str(error.message))
    return f"{error.validator} is {_shown(json.dumps(error.validator_value))}"


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _resolved(document: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow the reference of a response or header to the components."""
    while "$ref" in part:
        found: Any = document
        for step in str(part["$ref"]).removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        part = found
    return part


def _formats() -> Any:
    """Return the checks of formats: those of jsonschema, and date-time, for which it needs another package."""
    checker = jsonschema.FormatChecker()
    checker.checks("date-time", raises=ValueError)(_is_date_time)
    return checker


def _is_date_time(value: object) -> bool:
    """Return true for a date and time with its offset (RFC 3339, section 5.6); for values that are no text, too."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


async def _unused(*_: Any) -> Any:
    raise RuntimeError("a route was looked up, and nothing was sent")

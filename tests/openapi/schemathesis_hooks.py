"""Hooks of schemathesis: each request is of a logged-in user, and comes from another address.

The environment names the server, and the requests that log in: `LOGIN` has a path and a body of each, where `{number}`
makes each user another one. `LOGIN_KIND` says whether they are sent as JSON or as a form, or whether the path leads
through a provider. Without it, all requests are anonymous. `STATUSES` is a file for the statuses of each operation.
`KNOWN` has what nobody finds by chance, for single operations: see `hints`.
Redirects are not followed: the document describes the response of each operation alone.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import schemathesis
from jsonschema import Draft202012Validator

URL = os.environ.get("BASE_URL", "")  # pytest looks for examples in this module, too
LOGIN: list[Any] = json.loads(os.environ.get("LOGIN", "[]"))
KIND = os.environ.get("LOGIN_KIND", "json")
KNOWN: dict[str, Any] = json.loads(os.environ.get("KNOWN", "{}"))
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}

_numbers = itertools.count(1)


class State:
    """The user who is logged in: the cookies, and the body of the login."""

    cookies = ""
    body: Any = None


def address() -> str:
    """An address that no other request has, so that limits for each client never apply."""
    number = next(_numbers)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def log_in() -> None:
    """Log a new user in."""
    with httpx2.Client(headers={"X-Forwarded-For": address(), **SAME_ORIGIN}, timeout=120) as client:
        for path, body in json.loads(json.dumps(LOGIN).replace("{number}", str(next(_numbers)))):
            State.body = body
            sent = {} if body is None else {"data" if KIND == "form" else "json": body}
            if KIND == "provider":  # it asks nothing, and sends the browser back
                answer = client.get(URL + path, follow_redirects=True)
            else:
                answer = client.post(URL + path, **sent)
            assert answer.status_code < 400, answer.text
        State.cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())


if LOGIN:

    @schemathesis.auth()
    class SessionAuth:
        """Sends the cookies. The browser states the origin, so that no CSRF token is needed."""

        def get(self, case: Any, context: Any) -> str:
            if not State.cookies:
                log_in()
            return State.cookies

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers = {**(case.headers or {}), "Cookie": State.cookies, **SAME_ORIGIN}


def is_plain(value: Any) -> bool:
    """Whether a value has only numbers and texts that need no explanation.

    Schemathesis does not know `format: int64`. For JSON Schema, `1.0` is an integer; msgspec does not read it as one.
    Separators such as U+001F are whitespace for Python's `\\s`, and the byte order mark is for that of ECMAScript.
    """
    if isinstance(value, str):
        return not (re.search(r"[\x1c-\x1f\x85\ufeff]", value) and value.replace("\ufeff", " ").isspace())
    if isinstance(value, dict):
        return all(map(is_plain, value.values()))
    if isinstance(value, list):
        return all(map(is_plain, value))
    if isinstance(value, float):
        return not value.is_integer()
    return not isinstance(value, int) or -(1 << 63) <= value < 1 << 63


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    return is_plain(body)


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    """An empty text, list or object is sent as `page=`, which is a parameter that is left out."""
    return is_plain(query) and all(value or value in (0, False) for value in (query or {}).values())


@schemathesis.hook
def filter_path_parameters(context: Any, path_parameters: Any) -> bool:
    return is_plain(path_parameters)


def hints(case: Any, kwargs: Any) -> None:
    """Give a request that is meant to be valid what it needs: the first ones of an operation in `KNOWN`.

    `parameter` is a parameter of the path, with a `value`, or with the `pattern` of a link in a `page`, which shows it
    once the user has logged in elsewhere. `signature` is a header that depends on the length of the body.
    """
    known = KNOWN.get(case.operation.label)
    if known is None or not case.meta.generation.mode.is_positive or known.setdefault("left", 20) == 0:
        return
    if "signature" in known:
        kwargs["auth"] = lambda request: sign(request, known["signature"])
    elif value := known.get("value") or linked(known):
        case.path_parameters = {**case.path_parameters, known["parameter"]: value}
    known["left"] -= 1


def sign(request: Any, header: str) -> Any:
    """Sign a request, as the shop of the tests demands it. `requests` calls this with what it will send."""
    request.headers[header] = f"signed-{len(request.body or '')}"
    return request


def linked(known: Mapping[str, str]) -> str:
    """Log the user in on another device, and return the first link to it; nothing after too many wrong passwords."""
    with httpx2.Client(base_url=URL, headers={"X-Forwarded-For": address(), **SAME_ORIGIN}, timeout=120) as client:
        client.post(known["login"], data=State.body)
    page = httpx2.get(URL + known["page"], headers={"Cookie": State.cookies}, timeout=120, follow_redirects=True)
    found = re.search(known["pattern"], page.text)
    return "" if found is None else found[1]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    hints(case, kwargs)
    case.headers = {**(case.headers or {}), "X-Forwarded-For": address()}
    kwargs["allow_redirects"] = False


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Note the status. Log in again after a logout, and after a login, which replaces the session."""
    if case.method == case.operation.method.upper():
        seen.setdefault(case.operation.label, set()).add(response.status_code)
    is_own = LOGIN and (case.headers or {}).get("Cookie") == State.cookies != ""
    if is_own and case.method == "POST" and response.status_code < 400 and response.headers.get("set-cookie"):
        log_in()


seen: dict[str, set[int]] = {}


@atexit.register
def write_statuses() -> None:
    """Write the statuses of each operation."""
    if "STATUSES" in os.environ:
        Path(os.environ["STATUSES"]).write_text(json.dumps({name: sorted(seen[name]) for name in sorted(seen)}))


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Drop the failures that are none: see the functions."""
    match type(failure).__name__:
        case "AcceptedNegativeData":
            return not (is_valid_as_read(case, response) or is_left_out(case, response))
        case "UnsupportedMethodResponse":
            return failure.method not in other_methods(case, response)
        case "AllowHeaderMismatch":
            undocumented = set(failure.undocumented_methods) - other_methods(case, response)
            return bool(failure.missing_methods or undocumented)
        case _:
            return True


def is_valid_as_read(case: Any, response: Any) -> bool:
    """Whether a form fits as kick reads it: `on` and `0` are booleans, and `count=` is a number that is left out."""
    form = case.operation.get_body_for_media_type("application/x-www-form-urlencoded")
    sent = response.request.body
    others_are_negative = any(part.mode.is_negative for where, part in case.meta.components.items() if where != "body")
    if form is None or not isinstance(case.body, Mapping) or others_are_negative:
        return False
    body = dict(case.body)
    texts = parse_qs(sent if isinstance(sent, str) else sent.decode(), keep_blank_values=True)
    for name, schema in form.optimized_schema.get("properties", {}).items():
        text = texts.get(name, ["-"])[-1]
        if schema.get("type") == "boolean" and text in ("on", "off", "yes", "no", "0", "1"):
            body[name] = True
        elif schema.get("type") in ("boolean", "integer", "number") and text == "":
            body.pop(name, None)
    return Draft202012Validator(form.optimized_schema).is_valid(body)


def is_left_out(case: Any, response: Any) -> bool:
    """Whether all that is wrong is an object or list in the query that was sent as `page=`: as no parameter.

    Of several values of a parameter that is no list, the last one counts.
    """
    if any(part.mode.is_negative for where, part in case.meta.components.items() if where != "query"):
        return False
    texts = parse_qs(urlsplit(response.request.url).query, keep_blank_values=True)
    sent = (case.query or {}).items()
    return bool(sent) and all(isinstance(value, dict | list) and not texts.get(name, [""])[-1] for name, value in sent)


def other_methods(case: Any, response: Any) -> set[str]:
    """Return the methods of other paths that fit to a request, as `/notes/{name}` fits to `/notes/last`.

    The checks take the path of each operation for another resource. For a router, each method has its own paths.
    """
    path = urlsplit(response.request.url).path
    return {
        method.upper()
        for template, operations in case.operation.schema.raw_schema["paths"].items()
        if template != case.path and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
        for method in operations
    }

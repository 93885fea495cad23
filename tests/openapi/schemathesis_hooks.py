"""Hooks of schemathesis: each request is of a logged-in user, and comes from another address.

The environment names the server, and the request that logs in: `LOGIN` is a path and a body, where `{number}` makes
each user another one, and `LOGIN_KIND` says whether it is sent as JSON or as a form. Without it, all requests are
anonymous. Redirects are not followed: the document describes the response of each operation alone.
"""

from __future__ import annotations

import itertools
import json
import os
from typing import Any

import httpx2
import schemathesis

URL = os.environ.get("BASE_URL", "")  # pytest looks for examples in this module, too
LOGIN: list[Any] = json.loads(os.environ.get("LOGIN", "[]"))
IS_FORM = os.environ.get("LOGIN_KIND") == "form"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}

_numbers = itertools.count(1)


class State:
    """The cookies of the user who is logged in."""

    cookies = ""


def address() -> str:
    """An address that no other request has, so that limits for each client never apply."""
    number = next(_numbers)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def log_in() -> None:
    """Log a new user in."""
    path, body = json.loads(json.dumps(LOGIN).replace("{number}", str(next(_numbers))))
    sent = {} if body is None else {"data" if IS_FORM else "json": body}
    answer = httpx2.post(URL + path, headers={"X-Forwarded-For": address(), **SAME_ORIGIN}, timeout=120, **sent)
    assert answer.status_code < 400, answer.text
    State.cookies = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())


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
    """Whether a value has only numbers that need no explanation.

    Schemathesis does not know `format: int64`. For JSON Schema, `1.0` is an integer; msgspec does not read it as one.
    """
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


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    case.headers = {**(case.headers or {}), "X-Forwarded-For": address()}
    kwargs["allow_redirects"] = False


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Log in again after a logout, and after a login, which replaces the session."""
    is_own = LOGIN and (case.headers or {}).get("Cookie") == State.cookies != ""
    if is_own and case.method == "POST" and response.status_code < 400 and response.headers.get("set-cookie"):
        log_in()

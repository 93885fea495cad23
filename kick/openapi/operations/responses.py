"""Response Objects: what a handler declares, and the errors of kick, its middleware and its providers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from types import NoneType
from typing import Any, Final, NotRequired, TypedDict, get_origin

from kick.di.hints import hints_of
from kick.di.naming import core
from kick.exceptions import PROBLEM_JSON, FieldError, HTTPError, phrase_of
from kick.http.handlers.plan import CallPlan
from kick.http.response.base import Response
from kick.http.routing.raises import status_of
from kick.http.validation.type_parts import members_of, plain
from kick.openapi.schemas.leaves import description_of
from kick.openapi.schemas.schemas import Schemas

EVENT_STREAM: Final = "text/event-stream"
_JSON: Final = "application/json"
_UNSAID: Final = "The response of the handler."
_GROUPS: Final = {
    "1XX": "Informational",
    "2XX": "Success",
    "3XX": "Redirection",
    "4XX": "Client Error",
    "5XX": "Server Error",
}


class ProblemDetails(TypedDict):
    """An error (RFC 9457). The members of an error type may be added to these."""

    type: str
    title: str
    status: int
    detail: NotRequired[str]
    request_id: NotRequired[str]
    errors: NotRequired[list[FieldError]]


def answers_of(plan: CallPlan, schemas: Schemas) -> dict[str, Any]:
    """Return the responses that a handler declares, by their statuses."""
    declared, status = plan.response, plan.info.status
    if declared.items is not Any and declared.hint is Any:
        item = schemas.of(declared.items, "output", plan.place)
        media: dict[str, Any] = {"schema": {"type": "string"}}
        return {
            str(status or 200): _response(
                status or 200, {EVENT_STREAM: media | ({"x-itemSchema": item} if item else {})}
            )
        }
    if declared.says_nothing:
        return _unsaid(plan)
    members = members_of(declared.hint)
    kinds = [each for each in members if plain(each) not in (None, NoneType)]
    found: dict[str, Any] = {}
    if kinds:
        hint = declared.hint if status is not None else _union(kinds)
        schema = schemas.of(hint, "output", plan.place)
        found[str(status or 200)] = _response(status or 200, {_JSON: {"schema": schema}})
    if len(kinds) < len(members):
        found.setdefault(str(status or 204), _response(status or 204, {}))
    return found


def _union(members: list[Any]) -> Any:
    hint = members[0]
    for each in members[1:]:
        hint = hint | each
    return hint


def _unsaid(plan: CallPlan) -> dict[str, Any]:
    """Return the response of a handler that declares no data, with the media type of the class that it returns."""
    status, content = plan.info.status, _content_of(plan)
    if status is not None:
        return {str(status): _response(status, content)}
    return {"default": {"description": _UNSAID, **({"content": content} if content else {})}}


def page_of(plan: CallPlan) -> dict[str, Any]:
    """Return the content with which a handler that declares no data shows a form again: any, if it does not say."""
    return _content_of(plan) or {"*/*": {}}


def _content_of(plan: CallPlan) -> dict[str, Any]:
    returned = hints_of(core(plan.handler)).get("return", Any)
    kinds = [get_origin(plain(each)) or plain(each) for each in members_of(returned)]
    responses = [each for each in kinds if isinstance(each, type) and issubclass(each, Response)]
    return {each.media_type: {} for each in responses if each.media_type}


def _response(status: int, content: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"description": reason(status)}
    if content and status not in (204, 205, 304):
        found["content"] = dict(content)
    return found


def complete(responses: Mapping[str, Any], given: Mapping[str, Any], says_nothing: bool) -> dict[str, Any]:
    """Return responses with the descriptions that they lack, which `openapi=` of a route may leave out.

    A handler that `says_nothing` has the response `default`, unless the route gives (`given`) one that is no error.
    """
    is_told = any(str(status)[:1] in "23" for status in given)
    return {
        status: response if "$ref" in response else {"description": reason(status), **response}
        for status, response in responses.items()
        if not (status == "default" and says_nothing and is_told and "default" not in given)
    }


def reason(status: int | str) -> str:
    """Return the phrase of a status, as a description.

    >>> reason(200), reason("404"), reason("3XX")
    ('OK', 'Not Found', 'Redirection')
    """
    if isinstance(status, str):
        return reason(int(status)) if status.isdigit() else _GROUPS.get(status, _UNSAID)
    if status >= 400:
        return phrase_of(status)
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def problems_of(
    reasons: Iterable[tuple[int, str]], schemas: Schemas, other_types: Iterable[str] = ()
) -> dict[str, Any]:
    """Return a response with problem details for each status; several reasons for one status are listed.

    `other_types` are the media types in which the errors may be sent too.
    """
    others: dict[str, Any] = {media_type: {} for media_type in other_types}
    said: dict[int, list[str]] = {}
    for status, text in reasons:
        texts = said.setdefault(status, [])
        if text and text not in texts:
            texts.append(text)
    return {
        str(status): {
            "description": "\n\n".join(said[status]) or reason(status),
            "content": {PROBLEM_JSON: {"schema": schemas.of(ProblemDetails, "output", "kick")}, **others},
        }
        for status in sorted(said)
    }


def declared_errors(errors: Iterable[type[HTTPError]]) -> Iterator[tuple[int, str]]:
    """Return the status and the description of error classes."""
    for error in errors:
        status = status_of(error)
        if status is not None:
            text = description_of(error).partition("\n\n")[0].replace("\n", " ")
            text = text.removeprefix(f"{status}: ") if error.__module__ != HTTPError.__module__ else ""
            yield status, text[:1].upper() + text[1:]

"""Errors for clients, sent as problem details (RFC 9457).

    HTTPError                    any status
    ├── BadRequest               400
    ├── Unauthorized             401
    ├── Forbidden                403
    ├── NotFound                 404
    ├── MethodNotAllowed         405
    ├── NotAcceptable            406
    ├── RequestTimeout           408
    ├── Conflict                 409
    ├── Gone                     410
    ├── PreconditionFailed       412
    ├── PayloadTooLarge          413
    ├── URITooLong               414
    ├── UnsupportedMediaType     415
    ├── UnprocessableEntity      422
    ├── Locked                   423
    ├── TooManyRequests          429
    ├── InternalServerError      500
    ├── NotImplementedHere       501
    ├── BadGateway               502
    ├── ServiceUnavailable       503
    └── GatewayTimeout           504

Raise one in a handler, in code that it calls, or in middleware. Any other exception becomes a 500 without details,
and its traceback is logged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final, TypedDict

from kick.errors import PicklableError

PROBLEM_JSON: Final = "application/problem+json"

_PHRASES: Final = {each.value: each.phrase for each in HTTPStatus} | {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    418: "I'm a Teapot",
    422: "Unprocessable Content",
}
"""The phrases of RFC 9110, section 15, where those of older Pythons are those of RFC 7231."""


class FieldError(TypedDict):
    """A single error of a request, with its location.

    `location` is a JSON Pointer (RFC 6901) whose first step is the part of the request: `/body/items/0/price`,
    `/query/page`, `/path/user_id`, `/header/x-token`, `/cookie/theme`.
    """

    location: str
    message: str
    code: str


class HTTPError(PicklableError):
    """A response with an error status, to be raised.

    Arguments:
        status: 400 to 599.
        detail: a message for the client.
        headers: further headers of the response.
        type: a URI that identifies the type of problem; the default means that the status says enough.
        title: a short summary; the default is the reason phrase of the status.
        extensions: further members of the problem object.

    >>> HTTPError(402, "Your balance is 30, but the price is 50.", balance=30).problem()["balance"]
    30
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        type: str = "about:blank",
        title: str | None = None,
        **extensions: Any,
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"the status of an HTTPError is from 400 to 599, not {status}")
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.type = type
        self.title = title or phrase_of(status)
        self.extensions = extensions

    def __str__(self) -> str:
        return f"{self.status} {self.title}" + (f": {self.detail}" if self.detail else "")

    def problem(self, request_id: str | None = None) -> dict[str, Any]:
        """Return the members of the problem object.

        >>> NotFound("No user 7").problem()
        {'type': 'about:blank', 'title': 'Not Found', 'status': 404, 'detail': 'No user 7'}
        """
        members: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail is not None:
            members["detail"] = self.detail
        if request_id is not None:
            members["request_id"] = request_id
        return {**members, **{name: value for name, value in self.extensions.items() if name not in members}}


class _Fixed(HTTPError):
    """An `HTTPError` whose class has the status."""

    code: ClassVar[int]

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        type: str = "about:blank",
        title: str | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(self.code, detail, headers=headers, type=type, title=title, **extensions)


class BadRequest(_Fixed):
    """400: the request is malformed.

    >>> print(BadRequest("The cursor is no number."))
    400 Bad Request: The cursor is no number.
    """

    code = 400


class Unauthorized(_Fixed):
    """401: the client is not authenticated.

    >>> print(Unauthorized("Log in first."))
    401 Unauthorized: Log in first.
    """

    code = 401


class Forbidden(_Fixed):
    """403: the client is authenticated, but lacks permission.

    >>> print(Forbidden("This note is somebody else's."))
    403 Forbidden: This note is somebody else's.
    """

    code = 403


class NotFound(_Fixed):
    """404: the resource does not exist.

    >>> print(NotFound("There is no note 7."))
    404 Not Found: There is no note 7.
    """

    code = 404


class MethodNotAllowed(_Fixed):
    """405: the resource does not support this method.

    Arguments:
        detail: a message for the client.
        allow: the methods that it supports.
        extensions: further members of the problem object.

    >>> MethodNotAllowed(allow=["GET", "HEAD"]).headers
    {'allow': 'GET, HEAD'}
    """

    code = 405

    def __init__(self, detail: str | None = None, *, allow: Collection[str], **extensions: Any) -> None:
        super().__init__(detail, headers={"allow": ", ".join(allow)}, **extensions)


class NotAcceptable(_Fixed):
    """406: no representation is acceptable for the client.

    >>> print(NotAcceptable("There is JSON only."))
    406 Not Acceptable: There is JSON only.
    """

    code = 406


class RequestTimeout(_Fixed):
    """408: the request took too long to arrive.

    >>> print(RequestTimeout("The upload took too long."))
    408 Request Timeout: The upload took too long.
    """

    code = 408


class Conflict(_Fixed):
    """409: the request conflicts with the current state.

    >>> print(Conflict("The name is taken."))
    409 Conflict: The name is taken.
    """

    code = 409


class Gone(_Fixed):
    """410: the resource existed and is gone for good.

    >>> print(Gone("The offer has ended."))
    410 Gone: The offer has ended.
    """

    code = 410


class PreconditionFailed(_Fixed):
    """412: a condition in the request's headers does not hold.

    >>> print(PreconditionFailed("The note has changed since."))
    412 Precondition Failed: The note has changed since.
    """

    code = 412


class PayloadTooLarge(_Fixed):
    """413: the body is larger than the limit.

    >>> print(PayloadTooLarge("Pictures have 5 MiB at most."))
    413 Content Too Large: Pictures have 5 MiB at most.
    """

    code = 413


class URITooLong(_Fixed):
    """414: the URL is longer than the limit.

    >>> print(URITooLong("The query is too long."))
    414 URI Too Long: The query is too long.
    """

    code = 414


class UnsupportedMediaType(_Fixed):
    """415: the handler does not support the media type of the body.

    >>> print(UnsupportedMediaType("Send a PNG."))
    415 Unsupported Media Type: Send a PNG.
    """

    code = 415


class UnprocessableEntity(_Fixed):
    """422: the request is well-formed but invalid.

    Arguments:
        detail: a message for the client.
        errors: every error and its location.
        extensions: further members of the problem object.

    >>> error = UnprocessableEntity(errors=[{"location": "/body/age", "message": "Expected `int`", "code": "type"}])
    >>> error.problem()["errors"][0]["location"]
    '/body/age'
    """

    code = 422

    def __init__(self, detail: str | None = None, *, errors: Collection[FieldError] = (), **extensions: Any) -> None:
        if errors:
            extensions["errors"] = list(errors)
        super().__init__(detail, **extensions)


class Locked(_Fixed):
    """423: the resource is locked.

    >>> print(Locked("Ada is editing this note."))
    423 Locked: Ada is editing this note.
    """

    code = 423


class TooManyRequests(_Fixed):
    """429: the client sent too many requests.

    Arguments:
        detail: a message for the client.
        retry_after: the seconds after which the client may try again.
        extensions: further members of the problem object.

    >>> TooManyRequests(retry_after=30).headers
    {'retry-after': '30'}
    """

    code = 429

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None, **extensions: Any) -> None:
        super().__init__(detail, headers=_retry_after(retry_after), **extensions)


class InternalServerError(_Fixed):
    """500: the server failed; the cause is in the log.

    >>> print(InternalServerError("It has been noted."))
    500 Internal Server Error: It has been noted.
    """

    code = 500


class NotImplementedHere(_Fixed):
    """501: the server does not implement this.

    >>> print(NotImplementedHere("There is no search yet."))
    501 Not Implemented: There is no search yet.
    """

    code = 501


class BadGateway(_Fixed):
    """502: an upstream server sent an invalid response.

    >>> print(BadGateway("The bank gave a strange answer."))
    502 Bad Gateway: The bank gave a strange answer.
    """

    code = 502


class ServiceUnavailable(_Fixed):
    """503: temporarily unavailable.

    Arguments:
        detail: a message for the client.
        retry_after: the seconds after which the client may try again.
        extensions: further members of the problem object.

    >>> ServiceUnavailable("Back at noon.", retry_after=3600).headers
    {'retry-after': '3600'}
    """

    code = 503

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None, **extensions: Any) -> None:
        super().__init__(detail, headers=_retry_after(retry_after), **extensions)


class GatewayTimeout(_Fixed):
    """504: an upstream server did not respond in time.

    >>> print(GatewayTimeout("The bank did not answer."))
    504 Gateway Timeout: The bank did not answer.
    """

    code = 504


def phrase_of(status: int) -> str:
    """Return the registered reason phrase of an error status (RFC 9110, section 15), the same on every Python.

    >>> phrase_of(404), phrase_of(499)
    ('Not Found', 'Status 499')
    """
    return _PHRASES.get(status) or f"Status {status}"


def _retry_after(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"retry-after": str(seconds)}

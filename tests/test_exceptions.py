"""The family of errors that reach a client."""

from http import HTTPStatus

import pytest

from kick import http
from kick.exceptions import phrase_of
from kick.http import HTTPError, MethodNotAllowed, ServiceUnavailable, TooManyRequests, UnprocessableEntity

PHRASES = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
"""What Python says only since 3.13 (RFC 9110, section 15)."""

FAMILY = [each for name in dir(http) if isinstance(each := getattr(http, name), type) and issubclass(each, HTTPError)]


@pytest.mark.parametrize("kind", [each for each in FAMILY if each not in (HTTPError, MethodNotAllowed)])
def test_each_has_its_status_and_its_phrase(kind: type[HTTPError]) -> None:
    error = kind("detail")  # type: ignore[arg-type, call-arg]
    assert error.status == kind.code  # type: ignore[attr-defined]
    assert error.title == PHRASES.get(error.status, HTTPStatus(error.status).phrase)
    assert str(error) == f"{error.status} {error.title}: detail"
    assert error.problem()["status"] == error.status
    assert kind.__doc__ is not None
    assert kind.__doc__.startswith(str(error.status))


def test_there_is_one_for_every_common_status() -> None:
    assert len({each.__name__ for each in FAMILY}) == 22


@pytest.mark.parametrize("status", [200, 303, 399, 600, 0])
def test_an_error_has_the_status_of_one(status: int) -> None:
    with pytest.raises(ValueError, match="from 400 to 599"):
        HTTPError(status)


def test_some_say_more_in_a_header() -> None:
    assert TooManyRequests(retry_after=5).headers == {"retry-after": "5"}
    assert ServiceUnavailable(retry_after=5).headers == {"retry-after": "5"}
    assert TooManyRequests().headers == {}
    assert MethodNotAllowed(allow=["GET"]).headers == {"allow": "GET"}


def test_validation_errors_are_a_member() -> None:
    error = UnprocessableEntity(errors=[{"location": "/body", "message": "m", "code": "c"}])
    assert error.problem()["errors"] == [{"location": "/body", "message": "m", "code": "c"}]
    assert "errors" not in UnprocessableEntity().problem()


@pytest.mark.parametrize("status", [each for each in HTTPStatus if each >= 400])
def test_every_status_has_the_phrase_of_its_rfc_on_every_python(status: HTTPStatus) -> None:
    assert phrase_of(status) == PHRASES.get(status, status.phrase)


def test_an_unknown_status_has_a_phrase() -> None:
    assert phrase_of(599) == "Status 599"

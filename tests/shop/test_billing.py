"""The billing of the shop, as its customers see it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kick.errors import KickError
from kick.testing import TestClient
from tests.shop.app import Settings
from tests.shop.billing import Broker, TooExpensive, create_billing

INVOICE: dict[str, Any] = {
    "customer": "ada",
    "due": "2027-01-31",
    "lines": [{"article": "tea", "cents": 350}, {"article": "cup", "cents": 600}],
}
SHOWN = {
    "id": 1,
    "customer": "ada",
    "due": "2027-01-31",
    "lines": [{"article": "tea", "price": "3.50"}, {"article": "cup", "price": "6.00"}],
}


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def told() -> list[BaseException]:
    return []


@pytest.fixture
def client(tmp_path: Path, broker: Broker, told: list[BaseException]) -> Iterator[TestClient]:
    app = create_billing(Settings(tmp_path / "shop.db"), broker, told)
    with TestClient(app, raise_exceptions=False) as client:
        yield client


@pytest.fixture
def documented(tmp_path: Path, broker: Broker, told: list[BaseException]) -> Iterator[TestClient]:
    """A client that compares each response with the OpenAPI document."""
    with TestClient(
        create_billing(Settings(tmp_path / "shop.db"), broker, told), raise_exceptions=False, validate=True
    ) as client:
        yield client


def test_a_row_is_shown_as_declared_with_money_as_the_encoder_writes_it(documented: TestClient) -> None:
    assert documented.post("/invoices", json=INVOICE).json() == SHOWN
    assert documented.get("/invoices/1").json() == SHOWN
    assert documented.get("/invoices/due/2027-01-31").json() == [SHOWN]
    assert documented.get("/invoices/due/2027-02-01").json() == []
    assert documented.get("/invoices/due/tomorrow").status_code == 404
    assert documented.get("/invoices/dues").json() == [{"customer": "ada", "due": "2027-01-31"}]
    assert documented.get("/invoices/1/total").json() == {"total": "9.50", "share": "237.5"}


def test_a_model_of_pydantics_is_made_of_a_row_too(documented: TestClient) -> None:
    documented.post("/invoices", json=INVOICE)
    assert documented.get("/invoices/1/summary").json() == {"customer": "ada", "due": "2027-01-31", "lineCount": 2}
    assert documented.get("/invoices/1/row").json() == {"customer": "ada", "due": "2027-01-31", "lineCount": 0}


def test_events_are_of_the_declared_types(documented: TestClient) -> None:
    documented.post("/invoices", json=INVOICE)
    assert documented.get("/invoices/1/events").text == (
        'data: {"type":"Reminded","invoice":1}\n\nevent: paid\ndata: {"type":"Paid","invoice":1,"amount":"9.50"}\n\n'
    )


def test_background_work_has_a_unit_of_work_of_its_own(
    client: TestClient, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.post("/invoices", json=INVOICE, headers={"accept-language": "de-CH, en"}).status_code == 201
    assert broker.sent == ["invoice 1", "de: invoice 1"]
    assert "no printer" in caplog.text


def test_a_cookie_takes_precedence_over_a_header(client: TestClient, broker: Broker) -> None:
    headers = {"accept-language": "de", "cookie": "language=en"}
    client.post("/invoices", json=INVOICE, headers=headers)
    assert broker.sent[-1] == "en: invoice 1"
    assert client.post("/invoices", json=INVOICE, headers={"cookie": "language=xx"}).status_code == 422


def test_background_work_cannot_take_what_the_request_holds(client: TestClient, told: list[BaseException]) -> None:
    client.post("/invoices", json=INVOICE)
    assert client.post("/invoices/1/remind").status_code == 500
    assert isinstance(told[-1], KickError)
    assert "is given Invoices of this request" in str(told[-1])


def test_a_clean_up_that_fails_rolls_everything_back(
    client: TestClient, broker: Broker, told: list[BaseException]
) -> None:
    broker.is_down = True
    answer = client.post("/invoices", json=INVOICE)
    assert (answer.status_code, answer.json()["detail"]) == (503, "The broker is down; try again.")
    assert client.get("/invoices/1").status_code == 404
    assert (broker.sent, told) == ([], [])
    broker.is_down = False
    assert client.post("/invoices", json=INVOICE).json()["id"] == 1


def test_a_request_that_is_sent_again_is_answered_again(client: TestClient, broker: Broker) -> None:
    headers = {"idempotency-key": "k1"}
    first = client.post("/invoices", json=INVOICE, headers=headers)
    assert client.post("/invoices", json=INVOICE, headers=headers).json() == first.json() == SHOWN
    assert [each for each in broker.sent if each == "invoice 1"] == ["invoice 1"]
    assert client.post("/invoices", json=INVOICE, headers={"idempotency-key": "k" * 41}).status_code == 422


def test_errors_of_the_shop_have_a_form_of_their_own(client: TestClient, told: list[BaseException]) -> None:
    answer = client.post("/invoices", json={**INVOICE, "lines": [{"article": "car", "cents": 10**9}]})
    assert (answer.status_code, answer.json()["kind"]) == (402, TooExpensive.__name__)
    assert told == []


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"customer": "ada"}, {"/body/due": "missing", "/body/lines": "missing"}),
        (
            {**INVOICE, "lines": [{"article": "tea", "cents": 2**63}, {"article": "cup", "cents": -1}]},
            {"/body/lines/0/cents": "range", "/body/lines/1/cents": "range"},
        ),
        ({**INVOICE, "lines": [{"article": "tea", "cents": 1, "free": True}]}, {"/body/lines/0/free": "unknown"}),
        ({**INVOICE, "due": "2027-02-30"}, {"/body/due": "type"}),
    ],
)
def test_what_is_wrong_is_named(client: TestClient, body: Any, errors: dict[str, str]) -> None:
    answer = client.post("/invoices", json=body)
    assert answer.status_code == 422
    assert set(errors) == {error["location"] for error in answer.json()["errors"]}


@pytest.mark.parametrize("path", ["/invoices/9", f"/invoices/{2**63}", f"/invoices/{10**30}/total", "/invoices/x"])
def test_what_is_not_there_is_a_404(client: TestClient, path: str, told: list[BaseException]) -> None:
    assert client.get(path).status_code == 404
    assert told == []


def test_what_nobody_handles_is_told_once(
    client: TestClient, broker: Broker, told: list[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    class Full(list[str]):
        def __iadd__(self, other: Any) -> Any:
            raise MemoryError("full")

    broker.sent = Full()
    with caplog.at_level(logging.ERROR):
        assert client.post("/invoices", json=INVOICE).status_code == 500
    assert [repr(each) for each in told] == ["MemoryError('full')"]
    assert client.get("/invoices/1").status_code == 404

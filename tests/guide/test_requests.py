"""The page about requests: its applications do what is said of them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest
from starlette.types import Message

from kick.testing import TestClient
from tests.guide.pages import GUIDE, application, names_of


def test_one_type_is_filled_by_json_and_by_forms() -> None:
    with TestClient(application("requests.md", "Bodies")) as client:
        order = {"name": "Ada", "count": 2, "tags": ["a", "b"], "address": {"city": "Bern", "floor": 0}}
        assert client.post("/orders", json=order).json() == order
        form = {"name": "Ada", "count": "2", "tags": ["a", "b"], "address": '{"city": "Bern"}'}
        assert client.post("/orders", data=form).json() == order
        assert (
            client.post("/orders/many", json=[order, {"name": "B"}]).json()["errors"][0]["location"] == "/body/1/name"
        )
        assert client.post("/orders/reply").json() == "nothing"
        assert client.post("/orders/reply", json={"text": "yes", "to": [1]}).json() == "yes"


def test_models_are_read_and_written_by_their_aliases() -> None:
    with TestClient(application("requests.md", "pydantic models")) as client:
        card = {"kind": "card", "cardNumber": "7"}
        assert client.post("/shop/payments", json=card).json() == card
        assert client.post("/shop/payments", json={"kind": "invoice"}).json() == {"kind": "invoice", "dueInDays": 30}
        error = client.post("/shop/payments", json={"kind": "invoice", "dueInDays": 0}).json()["errors"][0]
        assert (error["location"], error["code"]) == ("/body/dueInDays", "greater_than_equal")
        for form in ({"fullName": "Ada", "password": "x"}, {"full_name": "Ada", "password": "x"}):
            answer = client.post("/shop/customers", data=form).json()
            assert answer == {"fullName": "Ada", "password": "**********"}
        assert client.get("/shop/articles?q=green&q=tea").json() == ["green", "tea"]


def test_integers_have_64_bits() -> None:
    with TestClient(application("requests.md", "Integers have 64 bits")) as client:
        assert client.post("/payments", json={"cents": 2**63 - 1, "serial": 10**30}).json()["serial"] == 10**30
        refused = client.post("/payments", json={"cents": 2**63})
        assert (refused.status_code, refused.json()["errors"][0]["location"]) == (422, "/body/cents")


def test_a_query_string_is_typed() -> None:
    with TestClient(application("requests.md", "The query string")) as client:
        found = client.get("/notes?tag=home&tag=work&page=2").json()
        assert found == {"q": "", "tag": ["home", "work"], "page": 2, "order": "newest"}
        errors = client.get("/notes?page=x&order=best").json()["errors"]
        assert {error["location"] for error in errors} == {"/query/page", "/query/order"}


def test_a_parameter_of_the_query_string_is_a_parameter_of_the_handler() -> None:
    with TestClient(application("requests.md", "One parameter of the query string")) as client:
        found = client.get("/notes/latest?limit=5&tag=home&tag=work&from=2026-01-31").json()
        assert found == {"limit": 5, "tags": ["home", "work"], "since": "2026-01-31"}
        assert client.get("/notes/latest?limit=&other=1").json() == {"limit": 20, "tags": [], "since": None}
        errors = client.get("/notes/latest?limit=0&from=today").json()["errors"]
        assert {error["location"] for error in errors} == {"/query/limit", "/query/from"}


def test_headers_and_cookies_are_parameters() -> None:
    with TestClient(application("requests.md", "Headers and cookies")) as client:
        headers = {
            "user-agent": "curl",
            "depth": "2",
            "if-none-match": '"a", "b"',
            "cookie": "seen-intro=1; theme=dark",
        }
        assert client.get("/page", headers={**headers, "x-token": "t"}).json() == [
            "curl",
            2,
            ['"a"', '"b"'],
            "t",
            "dark",
            True,
        ]
        assert client.get("/page", headers={"user-agent": "curl"}).json() == ["curl", 0, [], None, "light", False]


def test_the_answer_to_an_invalid_request_is_as_it_is_shown() -> None:
    page = (GUIDE / "requests.md").read_text()
    shown = json.loads(page.partition("```json\n")[2].partition("```")[0])
    with TestClient(application("requests.md", "Validation errors")) as client:
        answer = client.post("/notes", json={"tags": [1]}, headers={"depth": "deep"})
        assert answer.json() | {"request_id": "...", "errors": []} == shown | {"errors": []}
        assert sorted(map(str, answer.json()["errors"])) == sorted(map(str, shown["errors"]))


def test_routes_are_inherited_with_the_types_of_the_subclass() -> None:
    with TestClient(application("requests.md", "Generic controllers")) as client:
        assert client.post("/notes", json={"title": "a"}).json() == {"title": "a"}
        assert client.post("/tasks", json={"done": True}).status_code == 201
        assert client.get("/notes").json() == [{"title": "a"}]
        assert client.get("/tasks").json() == []


BEFORE = ["middleware of the application", "middleware of the handler"]
AFTER = ["validation", "handler"]
SENT = ["middleware, after the handler", "http.response.start", "http.response.body"]


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("plain", [*BEFORE, "provider", "body", *AFTER, *SENT]),
        ("stored", [*BEFORE, "body", "provider", "generator", *AFTER, "clean-up", *SENT, "background task"]),
    ],
)
async def test_a_request_takes_the_steps_of_the_list_in_their_order(path: str, steps: list[str]) -> None:
    names = names_of("requests.md", "The order of a request")
    trail: list[str] = names["trail"]

    async def receive() -> Message:
        trail.append("body")
        return {"type": "http.request", "body": b'{"title": "Buy milk"}', "more_body": False}

    async def send(message: Message) -> None:
        trail.append(message["type"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": f"/notes/{path}",
        "raw_path": f"/notes/{path}".encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"shop.test"), (b"content-type", b"application/json"), (b"content-length", b"21")],
    }
    await names["app"](scope, receive, send)
    assert trail == steps


def test_a_webhook_needs_the_signature_of_its_bytes_and_a_time_that_is_near() -> None:
    names = names_of("requests.md", "Webhooks")

    def send(body: bytes, *, at: float | None = None, signature: bytes | None = None) -> int:
        moment = int(time.time() if at is None else at)
        signed = hmac.new(names["SECRET"], b"%d." % moment + body, hashlib.sha256).hexdigest().encode()
        headers = {
            b"content-type": b"application/json",
            b"x-timestamp": b"%d" % moment,
            b"x-signature": signature or signed,
        }
        status: int = client.post("/webhooks/payments", content=body, headers=headers).status_code
        return status

    with TestClient(names["app"]) as client:
        body = b'{"id": "p1",   "amount": 3}'
        assert [send(body), send(body)] == [204, 204]
        assert names["WebhookController"].seen == {"p1"}
        assert [send(body, signature=each) for each in (b"0" * 64, b"\xe9")] == [403, 403]
        assert [send(body, at=time.time() + away) for away in (-400, 400)] == [403, 403]
        assert send(b'{"id": 7}') == 422
        assert send(b'{"id": 7}', signature=b"0") == 403

"""The page on responses: its applications do what is said of them."""

from __future__ import annotations

import pytest

from kick.testing import TestClient
from tests.guide.pages import application

PAGE = "responses.md"


def test_only_declared_fields_leave(caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(application(PAGE, "The declared type is a promise"), raise_exceptions=False) as client:
        assert client.get("/people/ada").json() == {"name": "Ada"}
        assert client.get("/people").json() == {"people": [{"name": "Ada"}]}
        assert client.get("/people/first").json() == {"name": "Ada"}
        assert client.get("/people/nobody").status_code == 500
    assert "expected Public, got None" in caplog.text


def test_other_types_are_written() -> None:
    with TestClient(application(PAGE, "Values of other types")) as client:
        assert client.get("/invoices/7").json() == {"total": "9.50 EUR", "due": "2027-01-31"}
        assert client.get("/invoices/summary").json() == {"discount": "1.00 EUR"}
        assert client.get("/invoices/files").json() == {"pdf": "7.pdf", "tags": ["paid"]}


def test_a_table_is_streamed() -> None:
    with TestClient(application(PAGE, "Streams")) as client:
        answer = client.get("/export/numbers.csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.text.splitlines()[-1] == "999,998001"


def test_events_go_on_where_the_browser_was() -> None:
    with TestClient(application(PAGE, "Server-sent events")) as client:
        assert client.get("/ticks").text.startswith('retry: 3000\n\nevent: tick\nid: 1\ndata: {"tick":1}\n\n')
        assert "id: 10\n" in client.get("/ticks", headers={"last-event-id": "7"}).text


def test_files_are_found_in_their_folder_only() -> None:
    with TestClient(application(PAGE, "Files and downloads")) as client:
        found = client.get("/files/report.txt")
        assert found.text == "All is well."
        assert client.get("/files/report.txt", headers={"if-none-match": found.headers["etag"]}).status_code == 304
        assert client.get("/files/report.txt", headers={"range": "bytes=-5"}).text == "well."
        assert client.get("/files/%2e%2e/report.txt").status_code == 404
        assert "M%C3%BCller%207.txt" in client.get("/invoices/7").headers["content-disposition"]


def test_what_a_client_has_is_not_sent_again() -> None:
    with TestClient(application(PAGE, "ETags and conditional requests")) as client:
        tag = client.get("/note").headers["etag"]
        assert client.get("/note", headers={"if-none-match": tag}).status_code == 304
        assert client.put("/note", json={"text": "Sell milk"}, headers={"if-match": tag}).json()["version"] == 2
        assert client.put("/note", json={"text": "Buy tea"}, headers={"if-match": tag}).status_code == 412
        tag = client.get("/prices").headers["etag"]
        assert client.get("/prices", headers={"if-none-match": tag}).status_code == 304


def test_a_login_leads_nobody_away() -> None:
    with TestClient(application(PAGE, "Redirects"), follow_redirects=False) as client:
        assert client.post("/login?next=/notes").headers["location"] == "/notes"
        assert client.post("/login?next=//evil.test").headers["location"] == "/"


def test_a_page_sees_what_was_added() -> None:
    with TestClient(application(PAGE, "Templates")) as client:
        assert client.get("/hello/<i>").text == (
            "<title>Notes</title><p>Hello, &lt;I&gt;! You are at /hello/&lt;i&gt;."
        )

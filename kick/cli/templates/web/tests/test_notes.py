from kick.testing import TestClient

BOB = {"email": "bob@example.com", "password": "twelve or more characters"}
MILK = {"title": "Buy milk", "text": "Two bottles."}
BREAD = {"title": "Bake bread", "text": ""}


def test_notes_are_for_those_who_are_logged_in(client: TestClient) -> None:
    assert client.get("/notes").url.path == "/login"
    assert client.post("/notes", data=MILK).status_code == 401


def test_a_note_is_listed_when_it_was_written(ada: TestClient) -> None:
    page = ada.post("/notes", data=MILK)
    assert page.url.path == "/notes"
    assert "“Buy milk” is noted." in page.text
    assert "Two bottles." in page.text


def test_a_note_is_changed_and_removed(ada: TestClient) -> None:
    ada.post("/notes", data=MILK)
    assert 'value="Buy milk"' in ada.get("/notes/1").text
    assert "Bake bread</h2>" in ada.post("/notes/1", data=BREAD).text
    assert "No notes yet." in ada.post("/notes/1/remove").text
    assert ada.get("/notes/1").status_code == 404


def test_nobody_comes_by_the_notes_of_others(ada: TestClient) -> None:
    ada.post("/notes", data=MILK)
    ada.post("/register", data=BOB)  # who is logged in by that
    assert "Buy milk" not in ada.get("/notes").text
    assert ada.get("/notes/1").status_code == 404
    assert ada.post("/notes/1", data=BREAD).status_code == 404
    assert ada.post("/notes/1/remove").status_code == 404


def test_what_somebody_writes_is_text_and_no_markup(ada: TestClient) -> None:
    page = ada.post("/notes", data={"title": "<script>alert(1)</script>"})
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


def test_a_note_has_a_title(ada: TestClient) -> None:
    page = ada.post("/notes", data={**MILK, "title": " "})
    assert page.status_code == 422
    assert "title" in page.text

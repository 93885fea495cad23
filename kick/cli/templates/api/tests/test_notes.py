from kick.testing import TestClient

BOB = {"email": "bob@example.com", "password": "twelve or more characters"}


def test_notes_are_for_those_who_are_logged_in(client: TestClient) -> None:
    assert client.get("/notes").status_code == 401
    assert client.post("/notes", json={"text": "Buy milk"}).status_code == 401


def test_a_note_is_there_until_it_is_removed(ada: TestClient) -> None:
    note = ada.post("/notes", json={"text": "Buy milk"})
    assert note.status_code == 201
    assert ada.get("/notes").json() == [{"id": note.json()["id"], "text": "Buy milk"}]
    assert ada.delete(f"/notes/{note.json()['id']}").status_code == 204
    assert ada.get("/notes").json() == []


def test_nobody_sees_or_removes_the_notes_of_others(ada: TestClient) -> None:
    note = ada.post("/notes", json={"text": "Buy milk"}).json()
    ada.post("/auth/register", json=BOB)
    ada.post("/auth/login", json=BOB)
    assert ada.get("/notes").json() == []
    assert ada.delete(f"/notes/{note['id']}").status_code == 404


def test_a_note_has_a_text(ada: TestClient) -> None:
    answer = ada.post("/notes", json={"text": ""})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"] == "/body/text"

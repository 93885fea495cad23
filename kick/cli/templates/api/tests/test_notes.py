from kick.testing import TestClient

BOB = {"email": "bob@example.com", "password": "twelve or more characters"}
MILK = {"title": "Buy milk", "text": "Two bottles."}
BREAD = {"title": "Bake bread", "text": ""}


def test_notes_are_for_those_who_are_logged_in(client: TestClient) -> None:
    assert client.get("/notes").status_code == 401
    assert client.post("/notes", json=MILK).status_code == 401


def test_a_note_is_kept_as_it_was_sent(ada: TestClient) -> None:
    answer = ada.post("/notes", json=MILK)
    assert answer.status_code == 201
    note = answer.json()
    assert note == {**MILK, "id": note["id"]}
    assert ada.get(f"/notes/{note['id']}").json() == note


def test_notes_are_listed_the_last_one_first(ada: TestClient) -> None:
    for note in (MILK, BREAD):
        ada.post("/notes", json=note)
    assert [note["title"] for note in ada.get("/notes").json()] == ["Bake bread", "Buy milk"]


def test_a_note_is_replaced_and_removed(ada: TestClient) -> None:
    path = f"/notes/{ada.post('/notes', json=MILK).json()['id']}"
    assert ada.put(path, json=BREAD).json()["title"] == "Bake bread"
    assert ada.get(path).json()["text"] == ""
    assert ada.delete(path).status_code == 204
    assert ada.get(path).status_code == 404


def test_nobody_comes_by_the_notes_of_others(ada: TestClient) -> None:
    path = f"/notes/{ada.post('/notes', json=MILK).json()['id']}"
    ada.post("/auth/register", json=BOB)  # who is logged in by that
    assert ada.get("/notes").json() == []
    assert ada.get(path).status_code == 404
    assert ada.put(path, json=BREAD).status_code == 404
    assert ada.delete(path).status_code == 404


def test_a_note_has_a_title(ada: TestClient) -> None:
    answer = ada.post("/notes", json={**MILK, "title": " "})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"] == "/body/title"

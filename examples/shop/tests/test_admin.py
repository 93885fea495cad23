from pathlib import Path

from kick.testing import TestClient

PNG = b"\x89PNG\r\n\x1a\n" + b"..."
PRODUCT = {"name": "Green tea", "price": 450, "stock": 3}


def test_an_administrator_sets_and_replaces_a_picture(admin: TestClient, tea: int, tmp_path: Path) -> None:
    for content in (PNG + b"1", PNG + b"2"):
        answer = admin.put(f"/admin/products/{tea}/picture", files={"picture": ("tea.png", content, "image/png")})
        picture = admin.get(answer.json()["url"])
        assert (picture.content, picture.headers["content-type"]) == (content, "image/png")
        assert "immutable" in picture.headers["cache-control"]
    assert len(list((tmp_path / "pictures").iterdir())) == 1


def test_only_pictures_are_accepted(admin: TestClient, tea: int, tmp_path: Path) -> None:
    for name, content, media_type in [
        ("page.html", b"<script>", "text/html"),
        ("page.png", b"<script>", "image/png"),
    ]:
        refused = admin.put(f"/admin/products/{tea}/picture", files={"picture": (name, content, media_type)})
        assert refused.status_code == 415
    large = ("tea.png", PNG + bytes(2 << 20), "image/png")
    assert admin.put(f"/admin/products/{tea}/picture", files={"picture": large}).status_code == 413
    assert list((tmp_path / "pictures").iterdir()) == []


def test_a_name_is_given_once(admin: TestClient, tea: int) -> None:
    assert admin.post("/admin/products", json=PRODUCT).status_code == 409


def test_others_may_not(client: TestClient, ada: TestClient, tea: int) -> None:
    assert ada.post("/admin/products", json=PRODUCT).status_code == 403
    assert client.another().post("/admin/products", json=PRODUCT).status_code == 401

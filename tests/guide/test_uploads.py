"""The page about uploads: its applications do what is said of them."""

from __future__ import annotations

import hashlib

from kick.testing import TestClient
from tests.guide.pages import application

PNG = ("../a.png", b"pixels", "image/png")


def test_files_stand_beside_text() -> None:
    with TestClient(application("uploads.md", "Declaring files")) as client:
        attachments = [("attachments", ("b.txt", b"1")), ("attachments", ("c.txt", b"2"))]
        answer = client.post("/articles", data={"title": "T"}, files=[("cover", PNG), *attachments])
        assert answer.json() == {"title": "T", "cover": 6, "attachments": 2}
        answer = client.post("/articles/cover", files={"cover": PNG})
        assert answer.json() == {"name": "a.png", "bytes": 6, "type": "image/png"}
        assert client.post("/articles/cover", files={"cover": ("a.gif", b"", "image/gif")}).status_code == 415
        assert client.post("/articles/scans", files=[("scans", PNG), ("scans", PNG)]).json() == [6, 6]
        large = ("a.png", b"x" * ((5 << 20) + 1), "image/png")
        assert client.post("/articles/cover", files={"cover": large}).status_code == 413
        answer = client.post("/articles", data={"title": "T"}, files=[("cover", PNG), *attachments, *attachments])
        assert answer.json()["errors"][0]["location"] == "/body/attachments"


def test_a_route_limits_any_file() -> None:
    with TestClient(application("uploads.md", "Limits")) as client:
        csv = ("a.csv", b"x" * (2 << 20), "text/csv")
        assert client.post("/imports", files=[("a", csv), ("b", csv)]).json() == ["a.csv", "a.csv"]
        assert client.post("/imports", files={"a": PNG}).status_code == 415


def test_an_upload_is_read_in_chunks_and_kept() -> None:
    with TestClient(application("uploads.md", "Reading and storing files")) as client:
        content = bytes(range(256)) * 10_000
        answer = client.post("/videos", files={"video": ("a.mp4", content, "video/mp4")})
        assert answer.json() == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}

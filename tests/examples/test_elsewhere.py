"""`examples/elsewhere`: kick's sessions in applications of other frameworks."""

from pathlib import Path

import httpx2
import pytest

from tests.support.serving import ROOT, ServeProcess


@pytest.mark.parametrize("name", ["with_starlette", "with_litestar"])
def test_a_login_has_a_new_id_and_a_logout_ends_it_for_good(
    name: str, serve_process: ServeProcess, tmp_path: Path
) -> None:
    environment = {"SESSION_SECRET": "a secret of at least thirty-two bytes"}
    folder = ROOT / "examples" / "elsewhere"
    with (
        serve_process(f"{name}:app", cwd=folder, env=environment, log=tmp_path / "server.log") as server,
        httpx2.Client(base_url=server.url) as client,
    ):
        assert client.get("/me").json() == {"name": None}
        assert "kick.sid" not in client.cookies
        form = client.post("/login", content='{"name": "Ada"}', headers={"content-type": "text/plain"})
        assert (form.status_code, "set-cookie" in form.headers) == (415, False)  # what a form of another site can send
        charset = {"content-type": "application/json; charset=utf-8"}
        assert client.post("/login", content='{"name": "Ada"}', headers=charset).json() == {"hello": "Ada"}
        first = client.cookies["kick.sid"]
        assert client.post("/login", json={"name": "Grace"}).json() == {"hello": "Grace"}
        second = client.cookies["kick.sid"]
        assert second != first
        assert client.get("/me").json() == {"name": "Grace"}
        assert client.post("/logout").status_code == 204
        for stolen in (first, second):
            assert httpx2.get(f"{server.url}/me", headers={"cookie": f"kick.sid={stolen}"}).json() == {"name": None}

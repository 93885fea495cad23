import gzip
import hashlib
import json
from importlib.resources import files

from kick.openapi.page.assets import assets, url_names
from kick.testing import TestClient
from tests.openapi.page.site import site

PLACE = files("kick.openapi.page")


class TestFiles:
    def test_swagger_ui_is_the_version_that_its_description_says(self) -> None:
        about = json.loads(PLACE.joinpath("swagger_ui/package.json").read_text())
        for name, digest in about["sha256"].items():
            content = gzip.decompress(PLACE.joinpath(f"swagger_ui/{name}.gz").read_bytes())
            assert hashlib.sha256(content).hexdigest() == digest

    def test_its_licenses_are_packed_with_it(self) -> None:
        for name in ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"):
            assert PLACE.joinpath("swagger_ui", name).read_text().strip()

    def test_a_name_changes_with_the_content(self) -> None:
        for name, asset in assets().items():
            assert hashlib.sha256(asset.packed).hexdigest()[:12] in name
            assert url_names()[asset.name] == name


class TestResponses:
    def test_a_browser_gets_the_compressed_file_and_keeps_it(self) -> None:
        for name, asset in assets().items():
            response = TestClient(site()).get(f"/docs/assets/{name}", headers={"accept-encoding": "gzip"})
            assert response.status_code == 200
            assert response.headers["content-encoding"] == "gzip"
            assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert response.headers["content-type"].startswith("text/")
            assert response.content == gzip.decompress(asset.packed)

    def test_another_client_gets_the_plain_file(self) -> None:
        for refused in ("", "identity", "gzip;q=0"):
            path = f"/docs/assets/{url_names()['page.js']}"
            response = TestClient(site()).get(path, headers={"accept-encoding": refused})
            assert "content-encoding" not in response.headers
            assert response.headers["vary"] == "Accept-Encoding"
            assert response.text.startswith('"use strict"')

    def test_no_other_file_is_sent(self) -> None:
        client = TestClient(site())
        for name in ("page.js", "page.html", "assets.py", "..%2Fassets.py", "swagger_ui%2FLICENSE"):
            assert client.get(f"/docs/assets/{name}").status_code == 404

from kick import bootstrap
from kick.testing import TestClient

from {{ prefix }}middleware.{{ name }} import {{ name }}


def test_{{ name }}_sees_every_response() -> None:
    with TestClient(bootstrap([], [{{ name }}])) as client:
        answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["x-{{ path }}"] == "passed"

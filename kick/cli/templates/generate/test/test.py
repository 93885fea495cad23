from kick.testing import TestClient

from {{ target_module }} import {{ target_name }}


def test_{{ name }}() -> None:
    with TestClient({{ target_name }}) as client:
        assert client.get("/{{ path }}/nothing-is-here").status_code == 404

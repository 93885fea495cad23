from kick import Module, bootstrap
from kick.testing import TestClient

from {{ prefix }}{{ name }}.controller import {{ Title }}Controller


def test_{{ name }}_is_greeted() -> None:
    module = Module("{{ path }}", controllers=[{{ Title }}Controller])
    with TestClient(bootstrap([module])) as client:
        assert client.get("/{{ path }}").json() == {"hello": "{{ words }}"}

from kick import Module

from {{ prefix }}{{ plural }}.controller import {{ Plural }}Controller
from {{ prefix }}{{ plural }}.repository import {{ repository_names }}


def keep_{{ plural }}() -> {{ Title }}Repository:
    """Where {{ many }} are kept; put something that lasts in its place."""
    return {{ Plural }}InMemory()


{{ Plural }}Module = Module(
    "{{ path }}",
    controllers=[{{ Plural }}Controller],
    providers=[keep_{{ plural }}],
)

"""{{ Article }}, and what the client sends to write one."""

{{ imports }}from msgspec import Struct


class {{ Title }}Body(Struct, frozen=True, kw_only=True):
{{ declarations }}


class {{ Title }}({{ Title }}Body, frozen=True, kw_only=True):
    id: int

from collections.abc import AsyncIterator


class {{ Title }}:
    """What is provided; who asks for it by its type gets it."""

    def __init__(self) -> None:
        self.is_open = True

    async def aclose(self) -> None:
        self.is_open = False


async def open_{{ name }}() -> AsyncIterator[{{ Title }}]:
    """Called once; what follows the `yield` runs when the application ends."""
    {{ name }} = {{ Title }}()
    yield {{ name }}
    await {{ name }}.aclose()

"""Where {{ many }} are kept."""

from itertools import count
from typing import Protocol

from kick import NotFound
from msgspec.structs import asdict

from {{ prefix }}{{ plural }}.models import {{ Title }}, {{ Title }}Body


class {{ Title }}Repository(Protocol):
    """What the controller needs. `NotFound` is raised for an id that nothing has."""

    async def all(self) -> list[{{ Title }}]: ...

    async def get(self, {{ name }}_id: int) -> {{ Title }}: ...

    async def add(self, body: {{ Title }}Body) -> {{ Title }}: ...

    async def replace(self, {{ name }}_id: int, body: {{ Title }}Body) -> {{ Title }}: ...

    async def remove(self, {{ name }}_id: int) -> None: ...


class {{ Plural }}InMemory:
    """A repository in the memory of the process, which ends with it."""

    def __init__(self) -> None:
        self._kept: dict[int, {{ Title }}] = {}
        self._ids = count(1)

    async def all(self) -> list[{{ Title }}]:
        return list(self._kept.values())

    async def get(self, {{ name }}_id: int) -> {{ Title }}:
        if {{ name }}_id not in self._kept:
            raise NotFound(f"There is no {{ words }} {{{ name }}_id}.")
        return self._kept[{{ name }}_id]

    async def add(self, body: {{ Title }}Body) -> {{ Title }}:
        return self._keep(next(self._ids), body)

    async def replace(self, {{ name }}_id: int, body: {{ Title }}Body) -> {{ Title }}:
        await self.get({{ name }}_id)
        return self._keep({{ name }}_id, body)

    async def remove(self, {{ name }}_id: int) -> None:
        await self.get({{ name }}_id)
        del self._kept[{{ name }}_id]

    def _keep(self, {{ name }}_id: int, body: {{ Title }}Body) -> {{ Title }}:
        self._kept[{{ name }}_id] = {{ Title }}(id={{ name }}_id, **asdict(body))
        return self._kept[{{ name }}_id]

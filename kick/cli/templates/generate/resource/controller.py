"""Reading, writing and removing {{ many }}."""

from kick import Controller, Delete, Get, Post, Put

from {{ prefix }}{{ plural }}.models import {{ Title }}, {{ Title }}Body
from {{ prefix }}{{ plural }}.repository import {{ Title }}Repository


@Controller("/{{ path }}")
class {{ Plural }}Controller:
    def __init__(self, repository: {{ Title }}Repository) -> None:
        self._repository = repository

    @Get("/")
    async def index(self) -> list[{{ Title }}]:
        return await self._repository.all()

    @Post("/", status=201)
    async def create(self, body: {{ Title }}Body) -> {{ Title }}:
        return await self._repository.add(body)

    @Get("/{{{ name }}_id}")
    async def show(self, {{ name }}_id: int) -> {{ Title }}:
        return await self._repository.get({{ name }}_id)

    @Put("/{{{ name }}_id}")
    async def replace(self, {{ name }}_id: int, body: {{ Title }}Body) -> {{ Title }}:
        return await self._repository.replace({{ name }}_id, body)

    @Delete("/{{{ name }}_id}")
    async def remove(self, {{ name }}_id: int) -> None:
        await self._repository.remove({{ name }}_id)

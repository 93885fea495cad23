import anyio
from kick import bootstrap

from {{ prefix }}{{ name }}.service import {{ Title }}Service


def test_{{ name }}_service_is_provided_once() -> None:
    async def ask() -> None:
        async with bootstrap([]).scope() as scope:
            service = await scope.get({{ Title }}Service)
            assert await service.describe() == "{{ words }}"
            assert await scope.get({{ Title }}Service) is service

    anyio.run(ask)

import anyio
from kick import bootstrap

from {{ prefix }}providers.{{ name }} import {{ Title }}, open_{{ name }}


def test_{{ name }}_is_open_until_the_application_ends() -> None:
    async def ask() -> None:
        app = bootstrap([], providers=[open_{{ name }}])
        async with app.scope() as scope:
            provided = await scope.get({{ Title }})
            assert provided.is_open
        await app.aclose()
        assert not provided.is_open

    anyio.run(ask)

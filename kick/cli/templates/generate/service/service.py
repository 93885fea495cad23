from kick import Service


@Service()
class {{ Title }}Service:
    """There is one of it; who asks for it by its type gets it."""

    async def describe(self) -> str:
        return "{{ words }}"

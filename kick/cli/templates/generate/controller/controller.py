from kick import Controller, Get


@Controller("/{{ path }}")
class {{ Title }}Controller:
    @Get("/")
    async def index(self) -> dict[str, str]:
        return {"hello": "{{ words }}"}

"""Reading, writing and removing notes, for those who are logged in."""

from kick import Controller, Delete, Get, Post

from {{ package }}.auth.models import User
from {{ package }}.notes.models import NewNote, Note
from {{ package }}.notes.service import Notes


@Controller("/notes")
class NotesController:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    @Get("/")
    async def index(self, user: User) -> list[Note]:
        return await self._notes.of(user)

    @Post("/", status=201)
    async def create(self, user: User, body: NewNote) -> Note:
        return await self._notes.write(user, body.text)

    @Delete("/{note_id}")
    async def remove(self, user: User, note_id: int) -> None:
        await self._notes.remove(user, note_id)

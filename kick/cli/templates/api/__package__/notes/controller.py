"""Reading, writing and removing notes, for those who are logged in."""

from kick import Controller, Delete, Get, Post, Put

from {{ package }}.auth.models import User
from {{ package }}.notes.models import Note, NoteBody
from {{ package }}.notes.service import Notes


@Controller("/notes")
class NotesController:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    @Get("/")
    async def index(self, user: User) -> list[Note]:
        return await self._notes.of(user)

    @Post("/", status=201)
    async def write(self, user: User, body: NoteBody) -> Note:
        return await self._notes.write(user, body)

    @Get("/{note_id}")
    async def show(self, user: User, note_id: int) -> Note:
        return await self._notes.get(user, note_id)

    @Put("/{note_id}")
    async def replace(self, user: User, note_id: int, body: NoteBody) -> Note:
        return await self._notes.replace(user, note_id, body)

    @Delete("/{note_id}", status=204)
    async def remove(self, user: User, note_id: int) -> None:
        await self._notes.remove(user, note_id)

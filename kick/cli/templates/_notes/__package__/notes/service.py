"""The notes of each user."""

from sqlite3 import Row

from kick import NotFound, Service

from {{ package }}.auth.models import User
from {{ package }}.database import Database
from {{ package }}.notes.models import Note, NoteBody


@Service()
class Notes:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user: User) -> list[Note]:
        select = "SELECT id, title, text FROM notes WHERE owner = ? ORDER BY id DESC"
        return [Note(**row) for row in await self._database.execute(select, user.id)]

    async def get(self, user: User, note_id: int) -> Note:
        select = "SELECT id, title, text FROM notes WHERE id = ? AND owner = ?"
        return _the(note_id, await self._database.execute(select, note_id, user.id))

    async def write(self, user: User, note: NoteBody) -> Note:
        insert = "INSERT INTO notes (owner, title, text) VALUES (?, ?, ?) RETURNING id, title, text"
        [row] = await self._database.execute(insert, user.id, note.title, note.text)
        return Note(**row)

    async def replace(self, user: User, note_id: int, note: NoteBody) -> Note:
        update = (
            "UPDATE notes SET title = ?, text = ? WHERE id = ? AND owner = ? "
            "RETURNING id, title, text"
        )
        values = (note.title, note.text, note_id, user.id)
        return _the(note_id, await self._database.execute(update, *values))

    async def remove(self, user: User, note_id: int) -> Note:
        delete = "DELETE FROM notes WHERE id = ? AND owner = ? RETURNING id, title, text"
        return _the(note_id, await self._database.execute(delete, note_id, user.id))


def _the(note_id: int, rows: list[Row]) -> Note:
    if not rows:
        raise NotFound(f"You have no note {note_id}.")
    return Note(**rows[0])

"""The notes of each user."""

from kick import NotFound, Service

from {{ package }}.auth.models import User
from {{ package }}.database import Database
from {{ package }}.notes.models import Note


@Service()
class Notes:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user: User) -> list[Note]:
        select = "SELECT id, text FROM notes WHERE owner = ? ORDER BY id"
        rows = await self._database.execute(select, user.id)
        return [Note(row["id"], row["text"]) for row in rows]

    async def write(self, user: User, text: str) -> Note:
        insert = "INSERT INTO notes (owner, text) VALUES (?, ?) RETURNING id, text"
        [row] = await self._database.execute(insert, user.id, text)
        return Note(row["id"], row["text"])

    async def remove(self, user: User, note_id: int) -> None:
        delete = "DELETE FROM notes WHERE id = ? AND owner = ? RETURNING id"
        if not await self._database.execute(delete, note_id, user.id):
            raise NotFound(f"You have no note {note_id}.")

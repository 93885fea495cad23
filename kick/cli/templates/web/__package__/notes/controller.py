"""The pages of notes, for those who are logged in."""

from kick import Controller, Get, Post, RequestContext, Response
from kick.auth import Authenticated

from {{ package }}.auth.models import User
from {{ package }}.notes.models import NoteBody
from {{ package }}.notes.service import Notes


@Authenticated(login_page="/login")
@Controller("/notes")
class NotesController:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    @Get("/")
    async def index(self, ctx: RequestContext, user: User) -> Response:
        return ctx.render("notes.html", user=user, notes=await self._notes.of(user))

    @Post("/")
    async def write(self, ctx: RequestContext, user: User, body: NoteBody) -> Response:
        note = await self._notes.write(user, body)
        ctx.session.flash["success"] = f"“{note.title}” is noted."
        return ctx.redirect("/notes")

    @Get("/{note_id}")
    async def edit(self, ctx: RequestContext, user: User, note_id: int) -> Response:
        return ctx.render("note.html", user=user, note=await self._notes.get(user, note_id))

    @Post("/{note_id}")
    async def replace(
        self, ctx: RequestContext, user: User, note_id: int, body: NoteBody
    ) -> Response:
        note = await self._notes.replace(user, note_id, body)
        ctx.session.flash["success"] = f"“{note.title}” is saved."
        return ctx.redirect("/notes")

    @Post("/{note_id}/remove")
    async def remove(self, ctx: RequestContext, user: User, note_id: int) -> Response:
        note = await self._notes.remove(user, note_id)
        ctx.session.flash["success"] = f"“{note.title}” is gone."
        return ctx.redirect("/notes")

from kick import Module

from {{ package }}.notes.controller import NotesController

NotesModule = Module("notes", controllers=[NotesController])

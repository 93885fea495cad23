"""What can be wrong with what `kick generate` was told, and with where it is to write.

KickError
├── BadPieceName          a name that nothing can have
├── BadField              a field of a resource that cannot be read
├── FileTaken             files that are there already
├── NoModuleList          no list of modules that can be edited
└── UnreadableModule      a file that is to be edited and is no Python
"""

from __future__ import annotations

from collections.abc import Sequence

from kick.errors import KickError


class BadPieceName(KickError):
    """A name that a piece of an application cannot have."""

    code = "generate-name"

    def __init__(self, kind: str, name: str, problem: str) -> None:
        example = "note title:str" if kind == "resource" else "note"
        super().__init__(
            cause=f"A {kind} cannot be named {name!r}: {problem}.",
            fix="Take letters, digits, and single hyphens or underscores, a letter first: "
            f"`kick generate {kind} {example}`.",
        )


class BadField(KickError):
    """A field of a resource that cannot be read.

    >>> BadField("title", "it has no type").cause
    "The field 'title' cannot be read: it has no type."
    """

    code = "generate-field"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(
            cause=f"The field {field!r} cannot be read: {problem}.",
            fix="Write a name, a colon and a type; a question mark makes it optional, brackets want quotes: "
            "`kick generate resource note title:str due:date? 'tags:list[str]'`. The types are str, int, float, bool, "
            "uuid, datetime, date, decimal, and list[...] of these.",
        )


class FileTaken(KickError):
    """Files that are there already; nothing is overwritten."""

    code = "generate-file"

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(
            cause=f"Nothing was written, because this is there already: {', '.join(paths)}.",
            fix=f"Take another name, or move it away: `mv {paths[0]} {paths[0]}.old`.",
        )


class NoModuleList(KickError):
    """No list that can be edited by a program; `line` and `entry` are what would have been added."""

    code = "generate-list"

    def __init__(self, problem: str, line: str, entry: str, wanted: str) -> None:
        super().__init__(
            cause=f"Nothing was written, because {problem}.",
            fix=f"Write the list where it is used, `{wanted}=[...]`, and run the command once more. Or take "
            f"`--no-mount`, and add `{line}` and `{entry}` by hand.",
        )


class UnreadableModule(KickError):
    """A file that is to be edited and is no Python."""

    code = "generate-syntax"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(
            cause=f"{path} is to be edited, and cannot be read: {problem}.",
            fix="Mend the file; `kick routes` shows what is wrong with it. Then run the command once more.",
        )

"""Errors of `kick generate` that several places report."""

from __future__ import annotations

from kick.errors import KickError


def bad_name(kind: str, name: str, problem: str) -> KickError:
    """Return the error for an invalid name."""
    example = "note title:str" if kind == "resource" else "note"
    return KickError(
        "generate-name",
        cause=f"A {kind} cannot be named {name!r}: {problem}.",
        fix="Use letters, digits, and single hyphens or underscores, and begin with a letter: "
        f"`kick generate {kind} {example}`.",
    )


def bad_field(field: str, problem: str) -> KickError:
    """Return the error for an invalid field of a resource.

    >>> bad_field("title", "it has no type").cause
    "The field 'title' cannot be read: it has no type."
    """
    return KickError(
        "generate-field",
        cause=f"The field {field!r} cannot be read: {problem}.",
        fix="Write a name, a colon and a type; a question mark makes it optional; quote brackets: "
        "`kick generate resource note title:str due:date? 'tags:list[str]'`. The types are str, int, float, bool, "
        "uuid, datetime, date, decimal, and list[...] of these.",
    )


def missing_module_list(problem: str, line: str, entry: str, wanted: str) -> KickError:
    """Return the error of a missing list that kick can edit; `line` and `entry` are what it would have added."""
    return KickError(
        "generate-list",
        cause=f"Nothing was written, because {problem}.",
        fix=f"Write the list where it is used, `{wanted}=[...]`, and run the command again. Or use "
        f"`--no-mount`, and add `{line}` and `{entry}` by hand.",
    )

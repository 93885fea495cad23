"""Upload limits of a route, derived from its types at start-up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, NotRequired, Required, Union, get_args, get_origin

import msgspec
from typing_extensions import ReadOnly

from kick.di.hints import hints_of
from kick.http.uploads import File, is_upload
from kick.http.validation.conversion import holds_uploads
from kick.http.validation.fields import kinds_of, object_fields
from kick.http.validation.pydantic_types import Shape, is_model, wire_names
from kick.http.validation.type_parts import fields_of

MOST_FILES: Final = 100
"""The most files of a form of which nothing else is said."""

MOST_IN_LIST: Final = 10
"""The most files of a list of which nothing else is said."""

_LISTS: Final = (list, tuple, set, frozenset)


class UploadLimits(msgspec.Struct, frozen=True):
    """Upload limits of a route: `files` by the name of their field, `others` of all the other fields.

    `objects` are fields that are read from JSON, which a browser may send as if it were a file.

    >>> UploadLimits({"avatar": File(max_size=100, max_files=1)}).room
    100
    """

    files: Mapping[str, File] = {}
    others: File = File()
    objects: frozenset[str] = frozenset()

    def of(self, name: str) -> File:
        """Return the limits of a field."""
        return self.files.get(name, self.others)

    @property
    def room(self) -> int:
        """Bytes that the files may have beyond the limit of bodies."""
        return sum((each.max_size or 0) * (each.max_files or 1) for each in (*self.files.values(), self.others))

    @property
    def most_files(self) -> int:
        """The most files that a form may have."""
        return max(MOST_FILES, sum(each.max_files or 1 for each in (*self.files.values(), self.others)))


ANY_FILES: Final = UploadLimits()
"""Limits of a route that declares no files: the limit of bodies alone."""


def upload_limits_of(hints: Mapping[str, Any], body: Any = None, others: File | None = None) -> UploadLimits | None:
    """Return the upload limits of a route, from its parameters, body type and option; `None` if it declares none.

    >>> from kick.http.uploads import UploadFile
    >>> upload_limits_of({"avatar": Annotated[UploadFile, File(max_size=100)]}).files
    {'avatar': File(max_size=100, types=(), max_files=1)}
    >>> upload_limits_of({}, dict[str, str]) is None
    True
    """
    files = {name: file for name, hint in hints.items() if (file := file_of(hint)) is not None}
    files |= {} if body is None else file_fields(body)
    objects = frozenset() if body is None else object_fields(body)
    return UploadLimits(files, others or File(), objects) if files or others is not None or objects else None


def file_of(hint: Any) -> File | None:
    """Return the limits in the type of a parameter or field; `None` for a type that is not of files."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner = file_of(args[0])
        said = next((each for each in reversed(hint.__metadata__) if isinstance(each, File)), None)
        if inner is None or said is None:
            return inner
        return msgspec.structs.replace(said, max_files=1 if inner.max_files == 1 else said.max_files or MOST_IN_LIST)
    if origin in (Required, NotRequired, ReadOnly):
        return file_of(args[0])
    if origin in (Union, UnionType):
        return _first(file_of(each) for each in args if each is not NoneType)
    if origin in _LISTS:
        inner = _first(map(file_of, args))
        return inner and msgspec.structs.replace(inner, max_files=MOST_IN_LIST)
    return File(max_files=1) if is_upload(hint) else None


def file_fields(hint: Any) -> dict[str, File]:
    """Return the limits of the file fields of a type, by their names on the wire.

    >>> from kick.http.uploads import UploadFile
    >>> fields = [("name", str), ("small_picture", UploadFile | None, None)]
    >>> Profile = msgspec.defstruct("Profile", fields, rename="camel")
    >>> file_fields(Profile)
    {'smallPicture': File(max_size=None, types=(), max_files=1)}

    Raises `TypeError` for files deeper down, which a form cannot bring, and for `File(...)` over something else.
    """
    found: dict[str, File] = {}
    for cls, names in _classes_of(hint):
        # Fields of pydantic's models have no metadata.
        hints = hints_of(cls) if is_model(cls) else {each.name: each.hint for each in fields_of(cls) or ()}
        for name, wire_name in names:
            hint = hints.get(name)
            file = file_of(hint)
            if file is not None:
                found[wire_name] = file
            elif _says_file(hint):
                raise TypeError(f"File(...) is for files, and its field {name!r} is none")
            elif holds_uploads(hint):
                raise TypeError(f"its field {name!r} has files within it, and a form has them at its top only")
    return found


def _says_file(hint: Any) -> bool:
    return isinstance(hint, File) or any(map(_says_file, (*getattr(hint, "__metadata__", ()), *get_args(hint))))


def _classes_of(hint: Any) -> Iterable[tuple[Any, list[tuple[str, str]]]]:
    """Return the classes with fields that a value may be of, and the names of the fields on the wire."""
    for kind in kinds_of(hint):
        cls = getattr(kind, "cls", None)
        if is_model(cls):
            yield cls, [(each.field, each.name) for each in wire_names(cls) if each.shape is Shape.WHOLE]
        elif cls is not None:
            yield cls, [(each.name, each.encode_name) for each in getattr(kind, "fields", ())]


def _first(files: Iterable[File | None]) -> File | None:
    return next((each for each in files if each is not None), None)

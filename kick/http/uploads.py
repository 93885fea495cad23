"""Files of a form: `UploadFile`, and `File` with the limits of their size and type."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from os import PathLike
from pathlib import Path
from shutil import copyfileobj
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, Final

import anyio.to_thread
import msgspec
from starlette.datastructures import UploadFile as StarletteUploadFile

from kick.http.errors import bad_file_limit

PIECE: Final = 1 << 16
"""Default size of the pieces in which a file is read: 64 KiB."""

LONGEST_NAME: Final = 255
"""The most bytes of a file name on common file systems."""

_NOT_IN_NAMES: Final = re.compile(r'[<>:"|?*]')
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")


class UploadFile(StarletteUploadFile):
    """A file of a multipart form: the type of a parameter, or of a field of a body.

    It is kept in memory, or in a temporary file if the files of the request have more than 1 MiB. The temporary file is
    removed when the request has ended.

    It is an `UploadFile` of Starlette, with these members besides its own:

    | | |
    |---|---|
    | `filename`, `content_type`, `headers` | what the client says of the file; nothing checks it |
    | `size` | the number of bytes |
    | `await read(size)`, `await read()` | the next bytes, at most `size`, or all that follow; `b""` at the end |
    | `await seek(offset)` | continues at another position: `seek(0)` at the beginning |
    | `await write(data)` | writes at the position |
    | `await close()` | closes the file before the end of the request, when kick does it |
    | `file` | the content as a file object, for code without `await` |

    >>> from kick.http import Controller, Post
    >>> @Controller("/avatars")
    ... class AvatarController:
    ...     @Post()
    ...     async def upload(self, avatar: UploadFile) -> dict[str, int | None]:
    ...         return {"bytes": avatar.size}
    """

    @property
    def safe_name(self) -> str:
        """A safe file name made from `filename`; see `safe_name_of`."""
        return safe_name_of(self.filename or "")

    async def chunks(self, size: int = PIECE) -> AsyncIterator[bytes]:
        """Return the content from its beginning, at most `size` bytes at a time."""
        await self.seek(0)
        while chunk := await self.read(size):
            yield chunk

    async def save_to(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Copy the content to a file and return its path. If the copy fails, no file is left.

        Raises `FileExistsError` if the file exists, unless `overwrite` is set. Never use `filename` in `path`.
        `safe_name` cannot leave the folder. A name that you generate is also unique.
        """
        target = Path(path)
        await anyio.to_thread.run_sync(_copy, self.file, target, overwrite)
        return target

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Return the schema with which pydantic validates a field of this type."""
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)


class File(msgspec.Struct, frozen=True):
    """Limits of the files of a parameter or field: `avatar: Annotated[UploadFile, File(max_size=1 << 20)]`.

    Arguments:
        max_size: the most bytes of one file. A larger file is a 413 before all of it has arrived. The body may exceed
            the limit of the application by this size. If the route has `max_body`, this limits the whole body.
        types: the media types that are accepted, such as `"image/png"` or `"image/*"`; others are a 415. The type is
            the one that the client states.
        max_files: the most files of a `list[UploadFile]`, by default 10.

    Raises `KickError`: `file-limit` for invalid limits.

    >>> File(max_size=5 << 20, types=["image/*"]).takes("image/png")
    True
    """

    max_size: int | None = None
    types: Sequence[str] = ()
    max_files: int | None = None

    def __post_init__(self) -> None:
        for name, unit, example in (("max_size", "bytes", "5 << 20"), ("max_files", "files", "10")):
            value: Any = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise bad_file_limit(f"File({name}={value!r}) is no number of {unit}", f"File({name}={example})")
        types: Any = self.types
        if isinstance(types, list):  # a tuple can be hashed, as `Annotated[UploadFile, File(...)] | None` has to be
            msgspec.structs.force_setattr(self, "types", tuple(types))
        if not isinstance(types, list | tuple) or not all(isinstance(each, str) and "/" in each for each in types):
            example = 'File(types=["image/png", "image/*"])'
            raise bad_file_limit(f"File(types={types!r}) is no list of media types", example)

    def takes(self, media_type: str) -> bool:
        """Return true if files of a media type (in lower case, without parameters) are accepted."""
        group = media_type.partition("/")[0] + "/*"
        return not self.types or any(each.lower() in (media_type, group, "*/*") for each in self.types)


def is_upload(kind: Any) -> bool:
    """Return whether a type is that of uploaded files: kick's or Starlette's.

    >>> is_upload(UploadFile), is_upload(bytes)
    (True, False)
    """
    return isinstance(kind, type) and issubclass(kind, StarletteUploadFile)


def safe_name_of(name: str) -> str:
    r"""Return a name for a file that stays in its folder, on Windows too, and shows what it is.

    Folders, control characters, signs that turn the direction of text, and dots at both ends are taken away; it has
    255 bytes at most, and is `file` where nothing is left.

    >>> safe_name_of("../../etc/passwd"), safe_name_of("C:\\temp\\a?.png"), safe_name_of("..\x00")
    ('passwd', 'a_.png', 'file')
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    name = "".join(sign for sign in name if unicodedata.category(sign)[0] != "C" and sign not in "\u2028\u2029")
    name = _NOT_IN_NAMES.sub("_", name).strip(". ")
    if _RESERVED.match(name):
        name = f"_{name}"
    return _shortened(name) or "file"


def _shortened(name: str) -> str:
    """Shorten a name to the most bytes that a name may have, but keep its extension."""
    stem, _, ending = name.rpartition(".")
    if not stem or len(ending) > 16:
        stem, ending = name, ""
    tail = f".{ending}" if ending else ""
    stem = stem.encode()[: LONGEST_NAME - len(tail.encode())].decode(errors="ignore")
    return stem.rstrip(". ") + tail


def _copy(source: BinaryIO, target: Path, overwrite: bool) -> None:
    source.seek(0)
    with _new_file(target, overwrite) as copy:
        made = Path(copy.name)
        try:
            copyfileobj(source, copy, 1 << 20)
            if overwrite:
                made.replace(target)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
    source.seek(0)


def _new_file(target: Path, overwrite: bool) -> Any:
    """Open a file for writing. A replacement is first written under another name, so the file is always complete."""
    if not overwrite:
        return target.open("xb")
    return NamedTemporaryFile(dir=target.parent, prefix=".", suffix=".part", delete=False)  # closed by the caller

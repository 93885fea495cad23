"""Static files, and the page of a single-page application."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from os import PathLike
from pathlib import Path
from typing import Final

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.types import Scope

from kick.errors import KickError
from kick.exceptions import NotFound
from kick.http.response.base import Response, add_vary
from kick.http.response.etags import client_has_it, not_modified
from kick.http.response.files import is_hidden, raise_unless_missing, readable, sent_file
from kick.http.response.media_types import media_type_of

_YEAR: Final = 31_536_000
"""The longest time for which caches may keep a file, in seconds."""

_LONGEST_NAME: Final = 4096
"""The most bytes of a path on Linux (`PATH_MAX`). The look-up of a longer one would ask for each of its parts."""

_REVALIDATE: Final = b"no-cache"
"""Caches may keep a file, but must ask each time whether it has changed (RFC 9111, section 5.2.2.4)."""


def missing_files(folder: Path, page: str | None = None) -> KickError:
    """Return the error of `StaticFiles()` with a folder or page that does not exist."""
    where = str(folder)
    return KickError(
        "static-folder",
        cause=f"StaticFiles({where!r}): there is no such folder, seen from {Path.cwd()}."
        if page is None
        else f"StaticFiles({where!r}, spa={page!r}): there is no such file in it.",
        fix=f'Name a folder that is there, from the code: `StaticFiles(Path(__file__).parent / "{folder.name}")`.'
        if page is None
        else f"Name a page that is there, or build it first: `spa={_page_in(folder)}`.",
    )


class StaticFiles:
    """The files of a folder, to be mounted: `Module("web", mounts={"/assets": StaticFiles("dist/assets")})`.

    They have `ETag`, `Last-Modified` and ranges, for `GET` and `HEAD`. A path that leads out of the folder, by `..` or
    a symbolic link, gets a 404. So do names that begin with a dot, except `.well-known`.

    Arguments:
        directory: the folder, absolute or relative to the working directory.
        spa: the page of a single-page application, such as `"index.html"`. It is sent for the folder itself, and for
            paths without a file if the `Accept` header of the client contains HTML, as it does for pages in browsers.
        spa_except: paths below the mount for which the page is not sent. Unknown
            ones get a 404 with problem details.
        max_age: the time for which clients may use a file without asking, as a `timedelta` or in seconds. With `None`
            they always ask.
        immutable: patterns of file names that contain a hash of the content, such as `["assets/*"]`. Clients never ask
            for these files again (RFC 8246).

    Raises `KickError`: `static-folder` for a folder or page that does not exist, and `static-max-age`.

    >>> import tempfile
    >>> files = StaticFiles(tempfile.gettempdir(), max_age=timedelta(hours=1), immutable=["assets/*"])
    >>> files.cache_control("logo.svg"), files.cache_control("assets/index-B3x9.js")
    (b'public, max-age=3600', b'public, max-age=31536000, immutable')
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        *,
        spa: str | None = None,
        spa_except: Sequence[str] = ("/api",),
        max_age: timedelta | float | None = None,
        immutable: Sequence[str] = (),
    ) -> None:
        self.directory = Path(directory)
        if not self.directory.is_dir():
            raise missing_files(self.directory)
        if spa is not None and not (self.directory / spa).is_file():
            raise missing_files(self.directory, spa)
        self.spa = spa
        self.spa_except = [path.strip("/").split("/") for path in _several(spa_except)]
        self.max_age = None if max_age is None else _seconds(max_age)
        self.immutable = _several(immutable)
        from starlette.staticfiles import StaticFiles as StarletteFiles  # on first use, because it imports WebSockets

        self._files = StarletteFiles(directory=self.directory)

    def __repr__(self) -> str:
        return f"StaticFiles({str(self.directory)!r})"

    def cache_control(self, name: str) -> bytes:
        """Return the `Cache-Control` of a file, by its name below the folder.

        >>> StaticFiles(".").cache_control("logo.svg")
        b'no-cache'
        """
        if any(fnmatchcase(name, pattern) for pattern in self.immutable):
            return b"public, max-age=%d, immutable" % _YEAR
        return _REVALIDATE if self.max_age is None else b"public, max-age=%d" % self.max_age

    async def answer(self, scope: Scope, parts: list[str], *, private: bool = False) -> Response:
        """Return the response to a GET or HEAD; `parts` are the segments of the path below the mount, decoded.

        A `private` response depends on who asks: only the cache of the browser may keep it.

        Raises `NotFound` and `PreconditionFailed`.
        """
        name = "/".join(parts)
        response = await self._file(name, scope) if all(map(_is_name, parts)) and parts else None
        if response is not None:
            return _with_cache_control(response, self.cache_control(name), private)
        if self.spa is not None and self._is_page(scope, parts):
            page = await self._file(self.spa, scope)
            if page is not None:
                add_vary(page, b"Accept")
                return _with_cache_control(page, _REVALIDATE, private)
        headers = {} if self.spa is None or self._is_excepted(parts) else {"vary": "Accept"}
        raise NotFound(f"There is nothing at {scope['path']}.", headers=headers)

    async def _file(self, name: str, scope: Scope) -> Response | None:
        """Return the response with a file or its 304 (RFC 9110, section 13); `None` if there is no such file.

        Raises `PreconditionFailed`, and `OSError` for errors of the system.
        """
        try:
            path, status = await anyio.to_thread.run_sync(self._look_up, name)
        except NotFound:
            return None
        response = sent_file(path, status, media_type_of(path.name))
        unchanged = client_has_it(
            scope["method"], Headers(scope=scope), etag=response.headers["etag"], modified=response.modified
        )
        return not_modified(response) if unchanged else response

    def _look_up(self, name: str) -> tuple[Path, os.stat_result]:
        if len(name) > _LONGEST_NAME:
            raise NotFound
        path = ""
        try:
            (self.directory / name).stat()  # fails at once, while the look-up asks for each of thousands of folders
            path, status = self._files.lookup_path(name)
        except ValueError:  # a NUL, or half of a surrogate pair
            status = None
        except OSError as error:
            raise_unless_missing(error)
            raise
        if status is None:
            raise NotFound
        found = Path(path)
        return found, readable(found)

    def _is_page(self, scope: Scope, parts: list[str]) -> bool:
        if parts in ([], [""]):
            return True
        return not self._is_excepted(parts) and accepts_html(Headers(scope=scope).get("accept", ""))

    def _is_excepted(self, parts: list[str]) -> bool:
        return any(parts[: len(path)] == path for path in self.spa_except)


def accepts_html(accept: str) -> bool:
    """Return true if the `Accept` header of a client contains HTML (RFC 9110, section 12.5.1); `*/*` does not count.

    >>> accepts_html("text/html,*/*;q=0.8"), accepts_html("*/*"), accepts_html("text/html;q=0")
    (True, False, False)
    """
    for each in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in each.split(";"))
        if kind in ("text/html", "application/xhtml+xml"):
            return not any(part.startswith("q=") and not part[2:].strip("0.") for part in parameters)
    return False


def _several(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _seconds(given: object) -> int:
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _YEAR * 100:
        raise KickError(
            "static-max-age",
            cause=f"StaticFiles(max_age={given!r}): that is neither a timedelta nor a number of seconds.",
            fix="Say how long clients may use a file without asking: `max_age=3600`.",
        )
    return int(seconds)


def _page_in(folder: Path) -> str:
    """Return a page of a folder, in quotes."""
    return f'"{next((each.name for each in sorted(folder.glob("*.html"))), "index.html")}"'


def _is_name(part: str) -> bool:
    """Return true if a segment can be the name of a file that is not hidden."""
    return part not in ("", ".") and "/" not in part and "\\" not in part and not is_hidden(part)


def _with_cache_control(response: Response, value: bytes, private: bool) -> Response:
    if private:
        value = value.replace(b"public", b"private") if b"public" in value else b"private, " + value
    response.raw_headers.append((b"cache-control", value))
    return response

"""Multipart forms, written by hand: tests decide about every byte. And what uploads leave behind."""

import gc
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.http.support import Answer, ask

BOUNDARY = "xx"
TYPE = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def text(name: str, value: str) -> bytes:
    """A part that is a field."""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file(name: str, content: bytes, *, filename: str = "a.bin", media_type: str | None = "image/png") -> bytes:
    """A part that is a file."""
    said = f"Content-Type: {media_type}\r\n" if media_type else ""
    disposition = f'form-data; name="{name}"; filename="{filename}"'
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n{said}\r\n"
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def form(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(parts) + END


def pieces(body: bytes, size: int) -> list[bytes]:
    """A body in pieces, as a network brings it."""
    return [body[start : start + size] for start in range(0, len(body), size)]


async def post(app: Any, *parts: bytes, headers: Mapping[str, str] | None = None, **options: Any) -> Answer:
    """Send a form of these parts."""
    body: bytes | Iterable[bytes] = options.pop("body", None) or form(*parts)
    return await ask(app, options.pop("target", "/"), method="POST", body=body, headers=headers or TYPE, **options)


def open_temporary_files() -> set[str]:
    """The temporary files that this process holds open: they have no name any more."""
    found: set[str] = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = str(each.readlink())
        except FileNotFoundError:  # the one that lists the folder
            continue
        if target.startswith(tempfile.gettempdir()) and "(deleted)" in target:
            found.add(f"{each.name}: {target}")
    return found


@pytest.fixture
def no_leak() -> Iterator[None]:
    """Fails a test after which temporary files are there that were not there before, open or with a name."""
    gc.collect()
    before, names = open_temporary_files(), {*Path(tempfile.gettempdir()).glob("tmp*")}
    yield
    assert open_temporary_files() - before == set()  # closed by kick, not when the garbage is collected
    assert {*Path(tempfile.gettempdir()).glob("tmp*")} - names == set()

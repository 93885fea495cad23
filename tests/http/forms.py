"""Multipart forms, written by hand: tests decide about every byte."""

from collections.abc import Iterable, Mapping
from typing import Any

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

"""Packing the installed kick into a wheel, without a build tool."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[2]
"""The folder of the running package."""

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every file: the earliest that a zip archive can store. Equal files so become equal wheels."""
_MODE: Final = 0o100644 << 16
_CARRIED: Final = ("METADATA", "entry_points.txt", "licenses")
"""Files of an installation's `.dist-info` that belong into a wheel; the others describe the installation."""


def wheel_name(distribution: Distribution) -> str:
    """Return the file name of a pure Python wheel (PyPA specification "Binary distribution format").

    >>> from importlib.metadata import distribution
    >>> wheel_name(distribution("kick-framework")).endswith("-py3-none-any.whl")
    True
    """
    return f"{_stem(distribution)}-py3-none-any.whl"


def pack_wheel(distribution: Distribution, *, package: Path = PACKAGE) -> bytes:
    """Pack a package and the metadata of its distribution into a wheel (PEP 427).

    The files come from the imported package, so every kind of installation works, editable ones too.
    """
    info = f"{_stem(distribution)}.dist-info"
    files = dict(_package_files(package))
    files.update((f"{info}/{path}", data) for path, data in _metadata_files(distribution))
    generator = f"kick {distribution.version}"
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: {generator}\nRoot-Is-Purelib: true\nTag: py3-none-any\n".encode()
    )
    lines = [f"{path},{_digest(data)},{len(data)}" for path, data in files.items()]
    files[f"{info}/RECORD"] = "".join(f"{line}\n" for line in [*lines, f"{info}/RECORD,,"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.external_attr = _MODE
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _stem(distribution: Distribution) -> str:
    name = distribution.metadata["Name"].lower().replace("-", "_").replace(".", "_")
    return f"{name}-{distribution.version}"


def _package_files(package: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(package.parent).as_posix(), path.read_bytes()


def _metadata_files(distribution: Distribution) -> Iterator[tuple[str, bytes]]:
    for path in sorted(distribution.files or ()):
        folder, *rest = path.parts
        if folder.endswith(".dist-info") and rest and rest[0] in _CARRIED:
            yield "/".join(rest), path.read_binary()


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"

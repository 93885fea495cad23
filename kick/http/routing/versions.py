"""Versions of an API, as the first segment of its paths."""

from __future__ import annotations

import re
from typing import Final

from kick.errors import KickError

_is_version: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*").fullmatch


def version_problem(version: object, place: str) -> KickError | None:
    """Return the error of `version=`, which must be a segment of a path; `None` if it is valid or missing."""
    if version is None or (isinstance(version, str) and _is_version(version)):
        return None
    digits = "".join(re.findall(r"[0-9]+", str(version))[:1]) or "1"
    return KickError(
        "route-version",
        cause=f"version={version!r} of {place} cannot be a segment of a path.",
        fix=f'Write it as in the path: `version="v{digits}"`.',
    )

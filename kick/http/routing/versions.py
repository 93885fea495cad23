"""Versions of an API, as the first segment of its paths."""

from __future__ import annotations

import re
from typing import Final

from kick.errors import KickError

_is_version: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*").fullmatch


def bad_version(given: object, place: str) -> KickError:
    """Return the error of a `version=` that cannot be a segment of a path."""
    digits = "".join(re.findall(r"[0-9]+", str(given))[:1]) or "1"
    return KickError(
        "route-version",
        cause=f"version={given!r} of {place} cannot be a segment of a path.",
        fix=f'Write it as it stands in the path: `version="v{digits}"`.',
    )


def version_problem(version: object, place: str) -> KickError | None:
    """Return the mistake in a version; `None` is no version.

    >>> version_problem("v1", "Module('shop')"), version_problem(2, "Module('shop')").fix
    (None, 'Write it as it stands in the path: `version="v2"`.')
    """
    usable = version is None or (isinstance(version, str) and _is_version(version))
    return None if usable else bad_version(version, place)

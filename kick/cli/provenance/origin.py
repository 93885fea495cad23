"""The origin of an installed distribution, read from its metadata (PEP 610)."""

from __future__ import annotations

import json
import re
import shlex
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kick.cli.provenance.wheel import PACKAGE, pack_wheel, wheel_name
from kick.errors import KickError

DISTRIBUTION: Final = "kick-framework"
WHEELS: Final = "wheels"
"""The folder of a project with a copy of kick, if kick is not from an index."""

_release: Final = re.compile(r"(\d+)(?:\.(\d+))?").match


class Provenance(NamedTuple):
    """The source from which a project installs the kick that wrote it.

    `line` is the line in pip's requirements file; it is empty if kick comes from an index. `folder` is the folder on
    this machine that the line refers to, if any; an editable installation needs it as long as the project is used.
    `wheel` is the name of the copy, and `packed` its bytes.
    """

    versions: str
    line: str = ""
    folder: str = ""
    is_editable: bool = False
    wheel: str = ""
    packed: bytes = b""


def provenance(distribution: metadata.Distribution | None = None) -> Provenance:
    """Return the source of the running kick, from the metadata of its installation (PEP 610).

    | installed from | a project installs it from |
    |---|---|
    | an index | an index: these versions and compatible ones |
    | a folder, editable | the same folder, editable |
    | a version control system | the same repository, at the same commit |
    | an archive on the web | the same address, with its hash |
    | a folder, wheel or archive on this machine | the copy in the project |

    Except in the first case, the project also contains a copy, for containers and in case the source is removed.

    Raises `KickError`: `kick-not-installed`.
    """
    if distribution is None:
        try:
            distribution = metadata.distribution(DISTRIBUTION)
        except metadata.PackageNotFoundError:
            raise KickError(
                "kick-not-installed",
                cause=f"kick runs from {PACKAGE.parent} and is not installed, so a new project could not install it.",
                fix="Install it in a virtual environment: "
                f"`pip install --editable {shlex.quote(str(PACKAGE.parent))}`.",
            ) from None
    versions = version_range(distribution.version)
    described = distribution.read_text("direct_url.json")
    if described is None:
        return Provenance(versions)
    wheel = f"{WHEELS}/{wheel_name(distribution)}"
    line, folder, is_editable = _reference(json.loads(described)) or (f"./{wheel}", "", False)
    return Provenance(versions, line, folder, is_editable, wheel, pack_wheel(distribution))


def version_range(version: str) -> str:
    """Return the compatible versions of a version. Before 1.0 a minor version may break.

    >>> version_range("0.1.0"), version_range("2.3.1"), version_range("0.2.0.dev1+g1a2b3c")
    ('>=0.1.0,<0.2', '>=2.3.1,<3', '>=0.2.0.dev1,<0.3')
    """
    match = _release(version)
    major, minor = (int(match[1]), int(match[2] or 0)) if match else (0, 0)
    following = f"0.{minor + 1}" if major == 0 else f"{major + 1}"
    return f">={version.partition('+')[0]},<{following}"


def _reference(direct: dict[str, Any]) -> tuple[str, str, bool] | None:
    """Return the line, its folder, and true if it is editable; `None` if only a copy works."""
    url = str(direct["url"])
    folder = _local_path(url)
    is_there = not folder or Path(folder).exists()
    subdirectory = f"#subdirectory={direct['subdirectory']}" if "subdirectory" in direct else ""
    vcs = direct.get("vcs_info")
    if vcs is not None and is_there:
        return f"{DISTRIBUTION} @ {vcs['vcs']}+{url}@{vcs['commit_id']}{subdirectory}", folder, False
    if direct.get("dir_info", {}).get("editable") and is_there and PACKAGE.is_relative_to(Path(folder).resolve()):
        return f"--editable {url}", folder, True
    if "archive_info" in direct and not folder:
        hashes = direct["archive_info"].get("hashes", {})
        checked = f"#sha256={hashes['sha256']}" if "sha256" in hashes else ""
        return f"{DISTRIBUTION} @ {url}{checked or subdirectory}", "", False
    return None


def _local_path(url: str) -> str:
    """Return the path of a `file:` URL, or an empty string for other URLs."""
    parts = urlsplit(url)
    return url2pathname(parts.path) if parts.scheme == "file" else ""

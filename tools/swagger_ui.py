"""Update Swagger UI, which the page `/docs` shows, from npm: `python -m tools.swagger_ui 5.35.0`.

The files are those of the package `swagger-ui-dist`, unchanged. The script and the stylesheet are compressed, because
they are sent so, and because a wheel and a repository have to carry them. Without a version, the newest is taken.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "kick/openapi/page/swagger_ui"
PACKAGE: Final = "swagger-ui-dist"
COMPRESSED: Final = ("swagger-ui-bundle.js", "swagger-ui.css")
LICENSES: Final = ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt")


def packed(content: bytes) -> bytes:
    """Compress as hard as gzip can, and without a time: the same content gives the same bytes."""
    return gzip.compress(content, 9, mtime=0)


def unpack(version: str, folder: Path) -> Path:
    """Fetch a version of the package, whose digest npm checks, and return the folder with its files."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is needed: install Node.js")
    run = [npm, "pack", f"{PACKAGE}@{version}", "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder / "package"


def update(version: str) -> str:
    """Write the files of a version, and return the version."""
    with tempfile.TemporaryDirectory() as scratch:
        package = unpack(version, Path(scratch))
        found = str(json.loads((package / "package.json").read_text())["version"])
        digests = {}
        FOLDER.mkdir(exist_ok=True)
        for name in COMPRESSED:
            content = (package / name).read_bytes()
            digests[name] = hashlib.sha256(content).hexdigest()
            (FOLDER / f"{name}.gz").write_bytes(packed(content))
        for name in LICENSES:
            shutil.copyfile(package / name, FOLDER / name)
    about = {"package": PACKAGE, "version": found, "sha256": digests}
    (FOLDER / "package.json").write_text(json.dumps(about, indent=2) + "\n")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Update Swagger UI from npm.")
    parser.add_argument("version", nargs="?", default="latest", help="of the package on npm; by default the newest")
    print(f"{PACKAGE} {update(parser.parse_args().version)} is in {FOLDER}")


if __name__ == "__main__":
    main()

"""Applications in JavaScript or TypeScript, written out and served by Node.

    with served(code, "javascript", tmp_path) as address: ...

The first line that an application writes is its port; it listens to the one in `PORT`, and 0 chooses a free one.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.node.packages import NODE, packages

HERE = Path(__file__).parent / "coming_from"
FILES = ("package.json", "tsconfig.json")


@contextmanager
def served(code: str, language: str, folder: Path) -> Iterator[str]:
    """The address of an application while it is served."""
    installed = packages(HERE, FILES)
    for name in FILES:
        shutil.copy(HERE / name, folder)
    (folder / "node_modules").symlink_to(installed / "node_modules")
    if language == "typescript":
        (folder / "app.ts").write_text(code)
        compiler = installed / "node_modules" / "typescript" / "bin" / "tsc"
        # Types are not checked: the page shows an application, and its packages for types are not installed.
        subprocess.run([NODE, compiler, "--noCheck"], cwd=folder, check=True)
    else:
        (folder / "app.js").write_text(code)
    process = subprocess.Popen(
        [NODE, "app.js"],
        cwd=folder,
        env={**os.environ, "PORT": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port.isdigit(), "the application did not start; its error is above"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        with process:
            pass

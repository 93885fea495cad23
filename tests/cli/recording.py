"""Draws docs/images/first-minute.svg from what a terminal really shows: `python -m tests.cli.recording`.

Each command runs in a terminal of its own, with `kick` as this checkout has it, and is typed as a user types it.
"""

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.cli.support import environment
from tests.support.serving import ROOT

IMAGE = ROOT / "docs" / "images" / "first-minute.svg"
COLUMNS = 92
PROMPT = "\x1b[1;32m$\x1b[0m "
PORT = 8000

UNUSED = "-p no:asyncio -p no:schemathesis -p no:faker"
"""Plugins of pytest that a new project does not have."""

THEME = TerminalTheme(
    (22, 24, 29),
    (214, 218, 224),
    [
        (60, 64, 72),
        (240, 98, 98),
        (120, 200, 120),
        (230, 190, 90),
        (110, 160, 250),
        (200, 130, 230),
        (90, 200, 210),
        (214, 218, 224),
    ],
)

PAGE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
  aria-label="The first minute with kick, in a terminal">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""rich's own page asks another site for a font; a README's picture should ask nobody."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shown = "".join(first_minute(Path(folder)))
    IMAGE.write_text(drawn(shown), encoding="utf-8")


def first_minute(folder: Path) -> Iterator[str]:
    """What the terminal shows, command by command."""
    env = typed_environment(folder)
    yield made(folder, env)
    project = folder / "my-app"
    yield record("pytest -q", project, env)
    yield record("alembic upgrade head", project, env)
    with serving(project, env) as greeting:
        yield f"{PROMPT}kick dev &{greeting}\n"
        body = '{"title": "Emma", "pages": 474}'
        yield record(f"curl -s localhost:{PORT}/books --json '{body}'", project, env)


def made(folder: Path, env: dict[str, str]) -> str:
    """What the terminal shows until the project is written."""
    shown = record("kick new my-app --yes --session sqlite --no-git", folder, env)
    generated = record("kick generate resource book title:str pages:int", folder / "my-app", env)
    return f"{shown}{PROMPT}cd my-app\n\n{generated}"


def typed_environment(folder: Path) -> dict[str, str]:
    """An environment in which `kick`, `pytest` and `alembic` are those of this Python."""
    tools = folder / "bin"
    tools.mkdir()
    for name, module in {"kick": "kick.cli", "pytest": f"pytest {UNUSED}", "alembic": "alembic"}.items():
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (tools / name).chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return environment(PATH=path, TERM="xterm-256color", PYTHONDONTWRITEBYTECODE="1")


def record(command: str, folder: Path, env: dict[str, str]) -> str:
    """The prompt, the command, and what it shows until it ends."""
    ours, process = started(command, folder, env)
    shown = ""
    while chunk := read(ours, 120):
        shown += chunk
    os.close(ours)
    if process.wait(60) != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}\n{shown}")
    return f"{PROMPT}{command}\n{shown.rstrip()}\n\n"


@contextmanager
def serving(folder: Path, env: dict[str, str]) -> Iterator[str]:
    """`kick dev`, with what it shows at first."""
    ours, process = started(f"kick dev --port {PORT}", folder, env)
    shown = ""
    try:
        while "Ctrl-C ends." not in shown:
            if not (chunk := read(ours, 120)):
                raise RuntimeError(f"kick dev ended\n{shown}")
            shown += chunk
        yield f"\n{shown.strip(chr(10))}\n"
    finally:
        os.write(ours, b"\x03")
        process.wait(60)
        os.close(ours)


def started(command: str, folder: Path, env: dict[str, str]) -> tuple[int, subprocess.Popen[bytes]]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    process = subprocess.Popen(
        ["sh", "-c", f"exec {command}"],
        cwd=folder,
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    return ours, process


def read(terminal: int, seconds: float) -> str:
    """What comes next; nothing at the end."""
    deadline = time.monotonic() + seconds
    if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
        raise TimeoutError("the terminal shows nothing any more")
    try:
        return os.read(terminal, 65_536).decode(errors="replace").replace("\r\n", "\n")
    except OSError:  # how a terminal says that nobody writes to it any more
        return ""


def drawn(shown: str) -> str:
    """A picture of what a terminal showed."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(re.sub(r"\n{3,}", "\n\n", shown).rstrip()), soft_wrap=False)
    svg = console.export_svg(title="The first minute with kick", theme=THEME, code_format=PAGE, unique_id="kick")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    main()

"""The `.env` file of a project, and the environment of commands in its folder."""

from __future__ import annotations

import os
import re
import secrets
import sys
from pathlib import Path
from typing import Final

ENV_FILE: Final = ".env"
ENVIRONMENT: Final = "KICK_ENV"

_OWNER_ONLY: Final = 0o600
_BEFORE_NAME: Final = re.compile(r"\s*(?:export\s+)?")


def enter(folder: Path, environment: str) -> None:
    """Make the modules of a folder importable, load its `.env`, and set `KICK_ENV`.

    Variables that are already set are not changed. `KICK_ENV` may be set in `.env` too.
    """
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    load_env_file(folder / ENV_FILE)
    os.environ.setdefault(ENVIRONMENT, environment)


def load_env_file(path: Path) -> None:
    """Set the variables in a file of lines `NAME=value`, unless they are set already. The file may be missing."""
    if path.is_file():
        from dotenv import load_dotenv

        load_dotenv(path, override=False)


def generate_secret() -> str:
    """Generate a secret: 48 random bytes as 64 characters that need no quotes.

    >>> len(generate_secret())
    64
    """
    return secrets.token_urlsafe(48)


def write_variable(path: Path, name: str, value: str) -> bool:
    """Set one variable in a `.env` file and keep the rest; return true if it was set before.

    The file is replaced atomically, and only its owner can read it. A symbolic link stays a link.
    """
    from dotenv.parser import parse_stream

    path = path.resolve()
    parts: list[str] = []
    found = False
    if path.exists():
        with path.open(encoding="utf-8", newline="") as stream:
            for binding in parse_stream(stream):
                original = binding.original.string
                if binding.key != name:
                    parts.append(original)
                elif not found:
                    found = True
                    before = _BEFORE_NAME.match(original)
                    parts.append(f"{before[0] if before else ''}{name}={value}\n")
    if not found:
        if parts and not parts[-1].endswith("\n"):
            parts.append("\n")
        parts.append(f"{name}={value}\n")
    replace_private(path, "".join(parts))
    return found


def read_variable(path: Path, name: str) -> str | None:
    """Return the value of a variable in a `.env` file, or `None` if it is missing or empty."""
    from dotenv import dotenv_values

    return (dotenv_values(path).get(name) or None) if path.is_file() else None


def replace_private(path: Path, text: str) -> None:
    """Write a file atomically, so that only its owner can read it."""
    replace_file(path, text.encode(), mode=_OWNER_ONLY)


def replace_file(path: Path, content: bytes, *, mode: int) -> None:
    """Write a new or existing file atomically."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(content)
        beside.chmod(mode)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

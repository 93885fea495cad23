"""Settings of the application, read from the environment."""

import os
import secrets
from pathlib import Path
from typing import Self
from urllib.parse import quote

import msgspec

HERE = Path(__file__).parent


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings; `folder` is where the application writes its files."""

    folder: Path
    session_secret: list[str] | None
    session_store: str

    @classmethod
    def from_environment(cls) -> Self:
        """Read `SESSION_SECRET`, `SESSION_STORE` and `AUTH_FOLDER`. All of them are optional with `kick dev`.

        In production, that is without `KICK_ENV` too, a missing secret stays `None`, and `session()` raises an error
        with the fix.
        """
        folder = Path(os.environ.get("AUTH_FOLDER") or HERE / "var").absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = os.environ.get("SESSION_SECRET")
        if not secret and os.environ.get("KICK_ENV") in ("development", "test"):
            secret = secret_in(folder / "session-secret")
        store = os.environ.get("SESSION_STORE") or f"sqlite:///{quote(str(folder))}/sessions.db"
        return cls(folder=folder, session_secret=secret.split(",") if secret else None, session_store=store)


def secret_in(file: Path) -> str:
    """Return the secret in a file. The first start generates it, so users stay logged in after a restart."""
    if not file.exists():
        draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        draft.touch(0o600)
        draft.write_text(secrets.token_urlsafe(32))
        try:
            file.hardlink_to(draft)  # atomic, and fails if another process was first
        except FileExistsError:
            pass
        draft.unlink()
    return file.read_text()

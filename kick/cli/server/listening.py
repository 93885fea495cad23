"""Listening of `kick start`: Unix sockets, which replace a port if the proxy is on the same machine, and TLS."""

from __future__ import annotations

import shlex
import socket
import ssl
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from kick.cli.errors import bad_certificate, bad_unix_socket
from kick.errors import KickError

MODE: Final = 0o666
"""Every user who can open the folder may connect, because the proxy usually runs as another user."""


@contextmanager
def listening_at(path: Path, backlog: int) -> Generator[socket.socket]:
    """Listen on a Unix socket, which is removed at the end. A socket without a server behind it is replaced.

    Raises `KickError`: `unix-socket` and `unix-socket-taken`.
    """
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with sock:
        try:
            sock.bind(str(path))
            path.chmod(MODE)
            sock.listen(backlog)
        except OSError as error:
            raise bad_unix_socket(path, error.strerror or str(error)) from None
        own = path.stat().st_ino
        try:
            yield sock
        finally:
            with suppress(FileNotFoundError):
                if path.stat().st_ino == own:  # a server that was started later may have replaced it
                    path.unlink()


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # binding reports what is wrong with the folder
    if not stat.S_ISSOCK(mode):
        raise bad_unix_socket(path, "There is a file of this name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        try:
            trial.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except OSError as error:
            raise bad_unix_socket(path, error.strerror or str(error)) from None
        else:
            raise KickError(
                "unix-socket-taken",
                cause=f"Another server listens on the Unix socket {path}.",
                fix=f"Stop it, or use another name: `kick start --uds {shlex.quote(f'{path}.2')}`.",
            )


def tls_options(certificate: Path | None, key: Path | None) -> dict[str, Any]:
    """Return the options of uvicorn for a certificate, in PEM, and its key, which may be in the same file.

    >>> tls_options(None, None)
    {}

    They are checked before the server starts. Raises `KickError`: `tls-certificate`.
    """
    if certificate is None:
        if key is not None:
            raise bad_certificate(f"There is a key, {key}, but no certificate")
        return {}
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password=lambda: "")  # or OpenSSL would ask the terminal
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        said = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        files = str(certificate) if key is None else f"{certificate} with {key}"
        raise bad_certificate(f"{files}: {said}") from error
    return {"ssl_certfile": str(certificate), "ssl_keyfile": None if key is None else str(key)}

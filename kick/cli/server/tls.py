"""TLS of `kick start`: the certificate and its key, which are checked before the server starts."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from kick.cli.errors import bad_certificate


def tls_options(certificate: Path | None, key: Path | None) -> dict[str, Any]:
    """Return the options of uvicorn for a certificate, in PEM, and its key, which may be in the same file.

    >>> tls_options(None, None)
    {}

    Raises `KickError`: `tls-certificate`.
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

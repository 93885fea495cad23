"""Certificates for servers on the loopback interface."""

import subprocess
from pathlib import Path

from tests.support.programs import program


def certify(certificate: Path, key: Path) -> None:
    """Write a certificate for this machine, which signs itself, and its key."""
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *name, *files]
    subprocess.run(command, check=True, capture_output=True)

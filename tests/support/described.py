"""Responses of an application that another process serves, checked against its OpenAPI document.

described = described_by("app:app", cwd=ROOT / "examples/chat", env={"SESSION_SECRET": SECRET})
described.check("GET", "/notes/7", response)
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kick.testing.response_validation import DocumentValidator
from tests.support.serving import ROOT

DOCUMENT = "import json, sys; sys.path.insert(0, ''); from {} import {} as app; print(json.dumps(app.openapi()))"


class Described:
    """The document of an application. `checked` are the operations whose responses were compared with it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._validator = DocumentValidator(document)
        # A fixed segment stands before a parameter, as in the router.
        self._paths = [(_pattern(path), path) for path in sorted(document["paths"], key=lambda path: path.count("{"))]
        self.checked: set[str] = set()

    def check(self, method: str, path: str, response: Any) -> None:
        """Check a response that has `status_code`, `headers`, `content` and `text`. Raises `ResponseMismatch`."""
        found = next((name for pattern, name in self._paths if pattern.fullmatch(path.partition("?")[0])), None)
        if found is not None:
            self._validator.check(method, found, response)
            self.checked.add(f"{method} {found}")

    def hook(self, response: Any) -> None:
        """Check a response of an `httpx2.Client`, as its event hook."""
        response.read()
        self.check(response.request.method, response.request.url.path, response)


def described_by(target: str, *, cwd: Path, env: Mapping[str, str]) -> Described:
    """The document of `module:attribute`, found from `cwd`."""
    command = [sys.executable, "-c", DOCUMENT.format(*target.split(":"))]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    run = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return Described(json.loads(run.stdout))


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{\w+\}", path)
    return re.compile("[^/]+".join(map(re.escape, parts)) + "/?")

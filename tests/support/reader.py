"""Somebody who follows a page literally: writes its files, types its commands, and compares their output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2

from tests.support.ports import free_port
from tests.support.waiting import wait_until

FENCE = re.compile(r'^```(\w+)(?: title="(.*?)")?\n(.*?)^```', re.DOTALL | re.MULTILINE)
ALIAS = re.compile(r"alias (\w+)='(.*)'")
INSTALLED = ("mkdir", "python3 -m venv", "pip install")
"""Commands that set up what this environment has already."""


class Reader:
    """A folder, a shell, and the server that was started last. Call `stop()` at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.aliases: dict[str, str] = {}
        self.server: subprocess.Popen[str] | None = None
        self.command = ""
        self.port = 0
        self.has_changed = False
        self.served = 0
        bin_folder = str(Path(sys.executable).parent)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("KICK_", "SESSION_"))}
        self.environment = {**clean, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}

    def read(self, page: Path) -> None:
        for language, title, text in FENCE.findall(page.read_text()):
            if title:
                assert language == "python"
                (self.folder / title).write_text(text)
                self.has_changed = True
            elif language == "console":
                for command, output in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", text, re.MULTILINE):
                    self.type(command, output.rstrip("\n"), page.name)

    def type(self, command: str, output: str, where: str) -> None:
        if command.startswith(INSTALLED):
            return
        if alias := ALIAS.fullmatch(command):
            self.aliases[alias[1]] = alias[2]
            return
        if command.startswith("export "):
            self.export(command)
            return
        if command.startswith(("kick dev", "kick start", "uvicorn")):
            self.serve(command)
            return
        first, _, rest = command.partition(" ")
        line = f"{self.aliases.get(first, first)} {rest}"
        if "localhost:8000" in line:
            self.reload()
            line = line.replace("localhost:8000", f"localhost:{self.port}")
            line = line.replace("curl ", "curl --silent --noproxy '*' ", 1)
        run = subprocess.run(
            ["/bin/sh", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        shown = f"{where}: $ {command}\n{run.stdout}{run.stderr}"
        if first == "pytest":
            assert re.search(rf"^{re.escape(output)}\b", run.stdout, re.MULTILINE), shown
        elif output:
            assert run.stdout.rstrip("\n") == output, shown
        assert run.returncode == 0, shown

    def export(self, command: str) -> None:
        shell = ["/bin/sh", "-c", f"{command} && env -0"]
        run = subprocess.run(shell, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True)
        self.environment = dict(line.split("=", 1) for line in run.stdout.split("\0") if line)

    def serve(self, command: str) -> None:
        self.stop()
        self.command, self.has_changed, self.port = command, False, free_port()
        self.server = subprocess.Popen(
            [*command.split(), "--port", str(self.port)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        wait_until(self._is_served, command)
        self.served += 1

    def reload(self) -> None:
        """Start the server again if a file has changed: `kick dev` would do it, but not say when it is done."""
        if self.has_changed:
            self.serve(self.command)

    def _is_served(self) -> bool:
        try:
            return httpx2.get(f"http://localhost:{self.port}/").status_code < 500
        except httpx2.TransportError:
            return False

    def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(30)
            self.server = None

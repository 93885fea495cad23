"""What a Dockerfile and a compose file say, done in folders: for machines without Docker, where tests run too.

The steps are carried out as they are written, with three differences: the packages that a project needs are those of an
environment that is there already, there is no other user, and `/app` and `/data` are folders below another. Servers of
other images are those of this machine, on the ports that they have here.
"""

import fnmatch
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any

import yaml
from dotenv import dotenv_values

from tests.cli.support import Running, environment, running
from tests.support.ports import HOST

NOT_DONE = ("FROM", "USER", "EXPOSE", "RUN useradd")
PORT = "8000"


class Container:
    """An image and its volumes, made of a project in a folder; `installed` is the environment that is there already.

    `ports` are those of the servers that other services of the compose file start, by the names of the services.
    """

    def __init__(
        self, project: Path, root: Path, *, installed: Path, ports: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._project = project
        self._root = root
        services: dict[str, Any] = yaml.safe_load((project / "compose.yaml").read_text())["services"]
        self._services = services
        self._service: dict[str, Any] = services["app"]
        self.told: dict[str, str] = self._service["environment"]
        """What the compose file says of the environment of the application."""
        self._ports = ports
        self._before = [each["command"] for name, each in services.items() if name == "migrate"]
        self._environment = root / "environment"
        self._folder = root
        self._arguments: dict[str, str] = {}
        self.command: list[str] = []
        self.health_check: list[str] = []
        self._borrow(installed)
        for mount in self._service.get("volumes", []):
            self._below(mount.partition(":")[2]).mkdir()
        for step in self._steps():
            self._do(step)

    def _borrow(self, installed: Path) -> None:
        """Make an environment that has the packages of another, and its programs."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(self._environment)], check=True)
        [ours], [theirs] = (each.glob("lib/*/site-packages") for each in (self._environment, installed))
        (ours / "installed.pth").write_text(f"{theirs}\n")
        for name in ("kick", "pip", "alembic"):
            _, _, script = (installed / "bin" / name).read_text().partition("\n")
            (self._environment / "bin" / name).write_text(f"#!{self._environment / 'bin' / 'python'}\n{script}")
            (self._environment / "bin" / name).chmod(0o755)

    def _steps(self) -> list[str]:
        lines = (self._project / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
        return [line for line in lines if line and not line.startswith((*NOT_DONE, "#"))]

    def _do(self, step: str) -> None:
        name, _, rest = step.partition(" ")
        match name:
            case "WORKDIR":
                self._folder = self._below(rest)
                self._folder.mkdir()
            case "COPY" if rest == ". .":
                shutil.copytree(self._project, self._folder, ignore=self._ignored, dirs_exist_ok=True)
            case "ARG":
                argument, _, default = rest.partition("=")
                self._arguments[argument] = default
            case "RUN":
                words = shlex.split(Template(rest).substitute(self._arguments))
                subprocess.run(words, cwd=self._folder, env=self.variables, capture_output=True, check=True)
            case "HEALTHCHECK":
                self.health_check = json.loads(rest.partition("CMD ")[2])
            case "CMD":
                self.command = json.loads(rest)
            case _:
                raise ValueError(f"nobody knows how to do {step!r}")

    def _ignored(self, folder: str, names: list[str]) -> set[str]:
        lines = (self._project / ".dockerignore").read_text().splitlines()
        here = Path(folder).relative_to(self._project)
        return {
            name
            for name in names
            for line in lines
            if fnmatch.fnmatch(name, line.removeprefix("**/")) and (here == Path() or line.startswith("**/"))
        }

    def _below(self, path: str) -> Path:
        return self._root / path.removeprefix("/")

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which its programs run."""
        secret = {name: value or "" for name, value in dotenv_values(self._project / self._service["env_file"]).items()}
        found = environment(PATH=f"{self._environment / 'bin'}:/usr/bin:/bin", PYTHONPATH="")
        return {**found, **secret, **{name: self._here(value) for name, value in self.told.items()}}

    def _here(self, value: str) -> str:
        """A variable of the compose file with the places that this machine has."""
        for name, port in self._ports.items():
            value = value.replace(f"@{name}/", f"@{HOST}:{port}/")
        return value.replace("/data", str(self._below("/data")))

    @property
    def files(self) -> set[str]:
        """What is in the folder of the image, and goes to whoever has the image."""
        return {str(path.relative_to(self._folder)) for path in self._folder.rglob("*") if path.is_file()}

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of the image to its end."""
        words = [str(self._environment / "bin" / program), *arguments]
        subprocess.run(words, cwd=self._folder, env=self.variables, capture_output=True, check=True)

    @contextmanager
    def up(self, port: int) -> Iterator[Running]:
        """Run the command of the image, on another port, after those that it waits for."""
        for command in self._before:
            self.run(*command)
        program, *arguments = self.command
        command = [str(self._environment / "bin" / program), *arguments, "--port", str(port)]
        with running(cwd=self._folder, command=command, **self.variables) as process:
            yield process

    @property
    def waits_for(self) -> dict[str, str]:
        """The services that have to be there before it starts, and in which condition."""
        return {name: told["condition"] for name, told in self._service.get("depends_on", {}).items()}

    def is_healthy_service(self, name: str) -> bool:
        """What the health check of another service says."""
        kind, program, *arguments = self._services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        port = {"PGPORT": str(self._ports[name])}
        command = [program, *arguments]
        return subprocess.run(command, env=environment(**port), capture_output=True, check=False).returncode == 0

    def is_healthy(self, port: int) -> bool:
        """What the health check of the image says."""
        command = [part.replace(PORT, str(port)) for part in self.health_check]
        return subprocess.run(command, env=self.variables, capture_output=True, check=False).returncode == 0

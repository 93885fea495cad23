"""The shells themselves are asked what follows `kick ro`, `kick sessions li` and `kick routes --j`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kick.cli.commands.completion import SHELLS, script
from tests.cli.support import environment, kick
from tests.support.programs import program
from tests.support.terminal import Terminal

ASKED = [
    ("kick ro", "routes"),
    ("kick sessions li", "list"),
    ("kick routes --js", "--json"),
    ("kick generate mid", "middleware"),
    ("kick new shop --template w", "web"),
]


@pytest.fixture
def shell_environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which `kick` is this checkout's, and nobody's settings hold."""
    path = tmp_path / "bin" / "kick"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nfrom kick.cli import main\nmain()\n")
    path.chmod(0o755)
    return environment(
        PATH=f"{path.parent}{os.pathsep}{os.environ['PATH']}", HOME=str(tmp_path), ZDOTDIR=str(tmp_path), TERM="dumb"
    )


def test_the_script_of_each_shell_is_printed(tmp_path: Path) -> None:
    for shell in SHELLS:
        assert kick("completion", shell, cwd=tmp_path).stdout == script(shell) + "\n"
        assert kick("completion", cwd=tmp_path, SHELL=f"/usr/local/bin/{shell}").stdout == script(shell) + "\n"


@pytest.mark.parametrize(("line", "completed"), ASKED)
def test_bash_completes(shell_environment: dict[str, str], tmp_path: Path, line: str, completed: str) -> None:
    words = line.split()
    code = (
        'eval "$(kick completion bash)"\n'
        f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _kick_completion kick\n"
        'complete -p kick >/dev/null && printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    run = subprocess.run(
        ["bash", "--norc", "-c", code], cwd=tmp_path, env=shell_environment, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.splitlines() == [completed], run.stderr


@pytest.mark.parametrize(("line", "completed"), ASKED)
def test_fish_completes(shell_environment: dict[str, str], tmp_path: Path, line: str, completed: str) -> None:
    code = f"kick completion fish | source; complete --do-complete '{line}'"
    run = subprocess.run(
        [program("fish"), "--no-config", "-c", code],
        cwd=tmp_path,
        env=shell_environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert [each.split("\t")[0] for each in run.stdout.splitlines()] == [completed], run.stderr


def test_zsh_completes(shell_environment: dict[str, str], tmp_path: Path) -> None:
    """Zsh completes in a terminal only, so it gets one: it is typed to, with the tabulator at the end."""
    setup = "PS1='ready> '; autoload -U compinit; compinit -u; eval \"$(kick completion zsh)\"; unsetopt beep\n"
    with Terminal([program("zsh"), "-f", "-i"], tmp_path, shell_environment) as zsh:
        zsh.type(setup)
        zsh.type("print -r -- started-$((40 + 2))\n")
        zsh.wait_for("started-42")
        for line, completed in ASKED:
            zsh.type(f"{line}\t")
            zsh.wait_for(f"{line.rpartition(' ')[0]} {completed}")
            zsh.type("\x15")

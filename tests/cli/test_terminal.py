import io
import sys

import click
import pytest

from kick.cli import terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "painted"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)],
)
def test_a_terminal_has_colours_unless_they_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], painted: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal.colorful(Screen()) is painted
    assert terminal.colorful(io.StringIO()) is False


def test_columns_are_aligned_whatever_their_colours() -> None:
    text = terminal.table([[terminal.red("a"), "1"], ["bbb", "2"]])
    assert click.unstyle(text) == "  a    1\n  bbb  2"


def test_long_lines_are_wrapped_beside_their_label_and_code_stays_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Screen())
    monkeypatch.setenv("COLUMNS", "60")
    code = "`kick start --port 8001 --workers 4`"
    lines = click.unstyle(terminal.labelled("fix", f"End the other one, or take another port: {code}.")).splitlines()
    assert lines[0].startswith("  fix    End")
    assert all(len(line) <= 60 for line in lines)
    assert any(code in line for line in lines[1:])
    assert all(line.startswith(" " * 9) for line in lines[1:])


def test_lines_are_not_wrapped_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert len(terminal.labelled("fix", "word " * 100).splitlines()) == 1

"""The page about the command line: what it lists is what there is."""

from __future__ import annotations

import os
import re

import pytest

from kick.cli.generate.fields import KINDS
from kick.cli.production_checks import session_layers
from kick.cli.program import COMMANDS
from tests.guide.pages import GUIDE, application

PAGE = (GUIDE / "cli.md").read_text()


def test_every_command_is_listed() -> None:
    listed = set(re.findall(r"`kick ([a-z]+)", PAGE.partition("## Generate")[0]))
    assert set(COMMANDS) <= listed


def test_every_type_of_a_field_is_named() -> None:
    assert set(KINDS) <= set(re.findall(r"`([a-z]+)`", PAGE))


def test_the_secrets_of_a_rotation_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.delenv("SESSION_SECRET", raising=False)
    (layer,) = session_layers(application("cli.md", "Secrets"))
    assert layer.manager.options.cookie.secrets == 2

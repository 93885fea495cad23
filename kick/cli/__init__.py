"""The `kick` command. Each sub-command is a separate module, which is imported when it is used."""

from kick.cli.program import main

__all__ = ["main"]

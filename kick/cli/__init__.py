"""The `kick` command. Every command is a module of its own, imported when it is asked for."""

from kick.cli.program import main

__all__ = ["main"]

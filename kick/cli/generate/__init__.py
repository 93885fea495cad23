"""`kick generate`: pieces of an application, and whole resources, written and mounted."""

from kick.cli.generate.command import command

__all__ = ["command"]

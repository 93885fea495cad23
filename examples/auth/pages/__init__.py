"""The page at `/` and its files."""

from .module import pages_module

__all__ = ["pages_module"]

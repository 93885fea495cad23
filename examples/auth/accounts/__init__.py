"""Registering, logging in and out, and what is known of whoever is logged in."""

from .module import accounts_module

__all__ = ["accounts_module"]

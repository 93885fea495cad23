"""Registration, login, logout, and the account of the logged-in user."""

from .module import accounts_module

__all__ = ["accounts_module"]

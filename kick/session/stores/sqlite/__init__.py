"""Sessions in an SQLite file: for many processes on one machine, and for sessions that survive a reload."""

from kick.session.stores.sqlite.file import DatabaseLocked, DatabaseUnusable
from kick.session.stores.sqlite.store import SQLiteStore

__all__ = ["DatabaseLocked", "DatabaseUnusable", "SQLiteStore"]

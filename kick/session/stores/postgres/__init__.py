"""Sessions in PostgreSQL: for many machines, where the business data is."""

from kick.session.stores.postgres.errors import PostgresTimeout, TableUnusable
from kick.session.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore", "PostgresTimeout", "TableUnusable"]

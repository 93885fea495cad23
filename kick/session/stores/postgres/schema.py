"""The table of sessions: how it is created, and whether it is there and is ours.

Its version is in the comment of the table, which everybody may read and no statement has to join.
"""

# made of constants, and of the name of the table in quotes

from __future__ import annotations

import re
from typing import Final

from kick.session.stores.postgres.errors import TableUnusable, Trouble, bad_postgres_option
from kick.session.stores.postgres.statements import Query

TABLE: Final = "kick_sessions"
"""The name of the table, unless another is given."""

VERSION: Final = 1
"""Version of the schema."""

_LOCK: Final = 0x6B69636B
"""Number of the lock that whoever creates a table holds: "kick" in ASCII."""

_MARK: Final = "kick sessions, schema "

_NAME: Final = re.compile(r"(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,51}")  # 63, less "_principal"

CHECK: Final = Query(
    "SELECT obj_description(to_regclass(:table), 'pg_class'), "
    "EXISTS(SELECT FROM pg_class WHERE oid = to_regclass(:table)), "
    "current_setting('server_encoding'), pg_is_in_recovery(), "
    "CAST(extract(epoch FROM clock_timestamp()) AS float8)"
)
"""The comment of the table, whether there is one, the encoding, whether this is a standby, and the time.

`to_regclass()` knows of a table that was committed a moment ago, when the snapshot of the statement has neither it nor
its comment. Only what the snapshot has is there: otherwise a table that another process creates has no comment yet,
and is not one of ours.
"""

RIGHTS: Final = Query(
    "SELECT right_ FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r(right_) "
    "WHERE NOT has_table_privilege(to_regclass(:table), right_)"
)
"""The rights to the table that this role has not."""


def quoted(table: str) -> str:
    """Return the name of a table, which may have a schema in front, in quotes. Raises `postgres-option`.

    >>> quoted("shop.sessions")
    '"shop"."sessions"'
    """
    if _NAME.fullmatch(table) is None:
        raise bad_postgres_option(
            "table", table, "small letters, digits and underscores, with a schema in front or not"
        )
    return ".".join(f'"{part}"' for part in table.split("."))


def creation(table: str, *, unlogged: bool = False) -> Query:
    """Return the statement that creates the table with its indexes, as a whole or not at all.

    >>> creation("kick_sessions").text[:45]
    'DO $kick$ BEGIN PERFORM pg_advisory_xact_lock'
    """
    name, plain = quoted(table), table.rpartition(".")[2]
    return Query(
        # A commit does not change what is indexed. PostgreSQL then writes no index, if the page has room for a second
        # version of the row: hence the fill factor. Keys are compared as bytes, whatever the collation of the database.
        f"DO $kick$ BEGIN PERFORM pg_advisory_xact_lock({_LOCK}); "
        f"CREATE {'UNLOGGED ' if unlogged else ''}TABLE IF NOT EXISTS {name} ("
        'key text COLLATE "C" PRIMARY KEY, '
        "fields jsonb, "  # NULL: the session has moved away, or this is an application
        "names text[] NOT NULL, "  # those of the fields: jsonb keeps no order
        "created float8 NOT NULL, issued float8 NOT NULL, seen float8 NOT NULL, expires float8 NOT NULL, "
        'deadline float8, principal text COLLATE "C", successor bytea, '
        "due float8 NOT NULL"  # when to see whether the row has expired: never later than `expires`
        ") WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05); "
        f'CREATE INDEX IF NOT EXISTS "{plain}_due" ON {name} (due); '
        f'CREATE INDEX IF NOT EXISTS "{plain}_principal" ON {name} (principal) WHERE principal IS NOT NULL; '
        f"COMMENT ON TABLE {name} IS '{_MARK}{VERSION}'; END $kick$"
    )


def trouble_of(table: str, *, comment: str | None, is_there: bool, encoding: str) -> TableUnusable | None:
    """Return the reason why a table cannot be used, from the answer to `CHECK`; `None` for one that can be."""
    if not is_there:
        return TableUnusable(table, Trouble.MISSING, "there is no such table")
    if encoding != "UTF8":
        return TableUnusable(table, Trouble.ENCODING, f"the encoding of the database is {encoding}, and not UTF8")
    if comment is None or not comment.startswith(_MARK):
        return TableUnusable(table, Trouble.FOREIGN, "it is not a table of sessions")
    if comment != f"{_MARK}{VERSION}":
        version = comment.removeprefix(_MARK)
        return TableUnusable(table, Trouble.VERSION, f"its schema is version {version}, and this kick has {VERSION}")
    return None

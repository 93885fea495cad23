"""The statements of a `PostgresStore`. Each of them is one operation as a whole, in a transaction of its own.

A change is made by one `UPDATE`, which merges the changed fields into what the row holds at that moment, under the
lock of the row: PostgreSQL waits for a transaction that has it, then looks at the row again (READ COMMITTED).

Statements about many sessions have a range that is always true, such as `number BETWEEN 1 AND 1000000`. PostgreSQL
takes it for rare, plans for one row, and so looks up each session in the index. With its estimate of 10 or 100 rows it
would read a table whole that is small, or that was small when it made the plan.

Parameters are written `:name`; a type is stated with CAST. JSON travels as text: the connections of an application's
pool may have a codec of its own for jsonb. Time is `statement_timestamp()`: in a transaction of the application,
`now()` would be the time at which it began.
"""

# ruff: noqa: S608  # made of constants, and of the name of the table in quotes

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from kick.clock import CLOCK, Move
from kick.session.data.reserved import CLIENT_FIELD

NOW: Final = "CAST(extract(epoch FROM statement_timestamp()) AS float8)"
"""The time of the server, in seconds."""

APPLICATION: Final = "application:"
"""Prefix of the key of a row that remembers an application; no key of a session begins so."""

PURGE_AT_ONCE: Final = 256
"""Rows that one statement looks at, so that no request waits for many that expired together."""

_PARAMETER: Final = re.compile(r"(?<!:):([a-z_]+)")

_COLUMNS: Final = "s.key, CAST(fields AS text), names, created, issued, seen, expires, deadline, principal, successor"
_SHOWN: Final = (
    f"s.key, CAST(CASE WHEN '{CLIENT_FIELD}' = ANY(names) "
    f"THEN jsonb_build_object('{CLIENT_FIELD}', fields -> '{CLIENT_FIELD}') ELSE '{{}}' END AS text), "
    f"CASE WHEN '{CLIENT_FIELD}' = ANY(names) THEN ARRAY['{CLIENT_FIELD}'] ELSE CAST('{{}}' AS text[]) END, "
    "created, issued, seen, expires, deadline, principal, successor"
)
"""The columns for a list of devices: all values of many sessions would be too much for one answer."""

_LIVE: Final = f"s.fields IS NOT NULL AND s.expires > {NOW}"
_MERGED: Final = "(s.fields - CAST(:delete AS text[])) || CAST(CAST(:set AS text) AS jsonb)"

_LEAST: Final = "-9223372036854775808"
_MOST: Final = "9223372036854775807"
_COUNTS: Final = (
    "unnest(CAST(:counters AS text[]), CAST(CAST(:steps AS text[]) AS numeric[])) AS c(name, step), "
    f"LATERAL (SELECT COALESCE(({_MERGED}) ->> c.name, '0') AS text) AS held"
)
_IS_COUNTER: Final = (
    "CASE WHEN held.text ~ '^-?(0|[1-9][0-9]{0,18})$' "
    f"THEN CAST(held.text AS numeric) BETWEEN {_LEAST} AND {_MOST} "
    f"AND CAST(held.text AS numeric) + c.step BETWEEN {_LEAST} AND {_MOST} ELSE false END"
)
_COUNTED: Final = f"(SELECT jsonb_object_agg(c.name, CAST(CAST(held.text AS numeric) + c.step AS text)) FROM {_COUNTS})"


def _names(deleted: str, given: str) -> str:
    """Return the names of a row after a change, in the order in which they came into it.

    Names are looked up in jsonb, which is sorted: arrays compare each with all others.
    """
    return (
        f"CASE WHEN s.fields ?& {given} AND NOT s.fields ?| {deleted} THEN s.names ELSE (SELECT "
        "ARRAY(SELECT name FROM unnest(s.names) WITH ORDINALITY AS n(name, place) "
        "WHERE NOT gone ? name ORDER BY place) "
        f"|| ARRAY(SELECT name FROM unnest({given}) WITH ORDINALITY AS n(name, place) "
        "WHERE NOT held ? name OR gone ? name ORDER BY place) "
        f"FROM (SELECT {_as_keys('s.names')} AS held, {_as_keys(deleted)} AS gone OFFSET 0) AS looked) END"
    )


def _as_keys(names: str) -> str:
    return f"(SELECT COALESCE(jsonb_object_agg(each, 0), jsonb_build_object()) FROM unnest({names}) AS each)"


class Query:
    """A statement with named parameters, in the notations of the drivers.

    >>> query = Query("SELECT CAST(:key AS text), CAST(:age AS float8), CAST(:key AS text)")
    >>> query.percent
    b'SELECT CAST(%(key)s AS text), CAST(%(age)s AS float8), CAST(%(key)s AS text)'
    >>> query.dollar, query.names
    ('SELECT CAST($1 AS text), CAST($2 AS float8), CAST($1 AS text)', ('key', 'age'))
    """

    def __init__(self, text: str) -> None:
        self._text: Final = text
        self.names: Final = tuple(dict.fromkeys(_PARAMETER.findall(text)))
        """The parameters in the order of their first use."""

    @property
    def text(self) -> str:
        """As SQLAlchemy's `text()` takes it."""
        return self._text if CLOCK.moved is None else _at(CLOCK.moved, self._text)

    @property
    def percent(self) -> bytes:
        """As psycopg takes it."""
        return _percent(self.text)

    @property
    def dollar(self) -> str:
        """As PostgreSQL and asyncpg take it."""
        return _dollar(self.text)


@lru_cache(maxsize=1024)
def _percent(text: str) -> bytes:
    return _PARAMETER.sub(r"%(\1)s", text).encode()


@lru_cache(maxsize=1024)
def _dollar(text: str) -> str:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(_PARAMETER.findall(text)), 1)}
    return _PARAMETER.sub(lambda found: f"${numbers[found[1]]}", text)


@lru_cache(maxsize=1024)
def _at(moved: Move, text: str) -> str:
    """Return a statement with the time of a moved clock in place of that of the server, for tests."""
    now = f"({NOW} + {moved.shift!r})" if moved.frozen_at is None else f"CAST({moved.frozen_at!r} AS float8)"
    return text.replace(NOW, now)


class Statements:
    """The statements for one table, given by its quoted name."""

    def __init__(self, table: str) -> None:  # a list
        expires = f"LEAST({NOW} + CAST(:max_age AS float8), s.deadline)"
        renewed = f"seen = {NOW}, expires = {expires}, due = LEAST(s.due, {expires})"
        values = "(fields, names, created, issued, seen, expires, deadline, principal, successor, due)"
        excluded = f"({', '.join(f'excluded.{each}' for each in values[1:-1].split(', '))})"
        # A key that has expired may be taken before its row has been removed.
        take = f"ON CONFLICT (key) DO UPDATE SET {values} = {excluded} WHERE s.expires <= {NOW}"
        insert = f"INSERT INTO {table} AS s (key, {values[1:]}"

        self.load: Final = Query(
            f"SELECT {_COLUMNS} FROM unnest(CAST(:keys AS text[])) WITH ORDINALITY AS wanted(key, number) "
            f"JOIN {table} AS s ON s.key = wanted.key WHERE number BETWEEN 1 AND 1000000 AND s.expires > {NOW}"
        )
        self.create: Final = Query(
            f"{insert} VALUES (CAST(:key AS text), CAST(CAST(:set AS text) AS jsonb), CAST(:names AS text[]), "
            f"{NOW}, {NOW}, {NOW}, {NOW} + LEAST(CAST(:max_age AS float8), CAST(:most AS float8)), "
            f"{NOW} + CAST(:most AS float8), CAST(:principal AS text), NULL, "
            f"{NOW} + LEAST(CAST(:max_age AS float8), CAST(:most AS float8))) "
            f"{take} RETURNING expires"
        )
        self.commit_many: Final = Query(_commit_many(table))
        commit = (
            f"UPDATE {table} AS s SET fields = {_MERGED}{{counters}}, {renewed}, "
            f"names = {_names('CAST(:delete AS text[])', 'CAST(:names AS text[])')}, "
            "principal = CASE WHEN CAST(:gives AS boolean) THEN CAST(:principal AS text) ELSE s.principal END "
            f"WHERE key = CAST(:key AS text) AND {_LIVE} "
            "AND s.fields @> CAST(CAST(:expect AS text) AS jsonb) AND NOT s.fields ?| CAST(:absent AS text[])"
        )
        self.commit: Final = Query(f"{commit.format(counters='')} RETURNING expires, NULL")
        self.count: Final = Query(
            f"{commit.format(counters=f' || {_COUNTED}')} "
            f"AND NOT EXISTS (SELECT FROM {_COUNTS} WHERE NOT {_IS_COUNTER}) "
            "RETURNING expires, CAST((SELECT jsonb_object_agg(name, s.fields -> name) "
            "FROM unnest(CAST(:counters AS text[])) AS n(name)) AS text)"
        )
        self.touch: Final = Query(
            f"UPDATE {table} AS s SET seen = {NOW}, expires = GREATEST(s.expires, {expires}) "
            f"WHERE key = CAST(:key AS text) AND {_LIVE} RETURNING 1"
        )
        self.move: Final = Query(_move(table, insert, take, fields="old.fields, old.names", principal="old.principal"))
        self.move_part: Final = Query(
            _move(
                table,
                insert,
                take,
                fields="(SELECT COALESCE(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(old.fields) AS e "
                "WHERE e.key = ANY(CAST(:keep AS text[]))), "
                "ARRAY(SELECT name FROM unnest(old.names) AS n(name) WHERE name = ANY(CAST(:keep AS text[])))",
                principal="NULL",
            )
        )
        self.destroy: Final = Query(f"DELETE FROM {table} AS s WHERE key = CAST(:key AS text) AND {_LIVE} RETURNING 1")
        whose = f"s.principal = CAST(:principal AS text) AND {_LIVE}"
        self.find: Final = Query(f"SELECT {_SHOWN} FROM {table} AS s WHERE {whose}")
        self.revoke: Final = Query(_revoke(table, whose))
        self.purge: Final = Query(_purge(table))
        self.remember: Final = Query(
            f"{insert} VALUES (CAST(:key AS text), NULL, '{{}}', 0, 0, {NOW}, {NOW} + CAST(:most AS float8), "
            f"NULL, NULL, CAST(:secrets AS bytea), {NOW} + CAST(:most AS float8)) "
            "ON CONFLICT (key) DO UPDATE SET seen = excluded.seen, expires = excluded.expires"
        )
        self.applications: Final = Query(
            f"SELECT successor FROM {table} AS s "
            f"WHERE key >= '{APPLICATION}' AND key < '{APPLICATION[:-1]};' AND s.expires > {NOW}"
        )
        self.server: Final = Query("SELECT current_setting('server_version_num')")
        self.clock: Final = Query("SELECT CAST(extract(epoch FROM clock_timestamp()) AS float8)")


def _commit_many(table: str) -> str:
    """Commit the changes of many sessions at once.

    Sessions whose rows another transaction has locked are left out, as are those that are not live: it waits for
    nobody, and two of them cannot lock each other out.
    """
    expires = f"LEAST({NOW} + job.max_age, s.deadline)"
    return (
        "WITH locked AS MATERIALIZED (SELECT job.* FROM jsonb_to_recordset(CAST(CAST(:jobs AS text) AS jsonb)) "
        "AS job(key text, set jsonb, names text[], delete text[], max_age float8, gives boolean, principal text) "
        f"JOIN {table} AS s ON s.key = job.key WHERE job.max_age BETWEEN 0 AND 'Infinity' AND {_LIVE} "
        "FOR UPDATE OF s SKIP LOCKED) "
        f"UPDATE {table} AS s SET fields = (s.fields - job.delete) || job.set, "
        f"names = {_names('job.delete', 'job.names')}, seen = {NOW}, expires = {expires}, "
        f"due = LEAST(s.due, {expires}), principal = CASE WHEN job.gives THEN job.principal ELSE s.principal END "
        "FROM locked AS job WHERE s.key = job.key RETURNING s.key, s.expires"
    )


def _move(table: str, insert: str, take: str, *, fields: str, principal: str) -> str:
    """Lock the old row, insert the new one, and leave a marker in the old one if that has been done."""
    expires = f"LEAST({NOW} + CAST(:max_age AS float8), new.deadline)"
    until = f"{NOW} + CAST(:grace AS float8)"
    return (
        f"WITH old AS MATERIALIZED (SELECT s.* FROM {table} AS s WHERE key = CAST(:key AS text) AND {_LIVE} "
        "FOR UPDATE), "
        f"fresh AS ({insert} SELECT CAST(:new_key AS text), {fields}, old.created, {NOW}, {NOW}, {expires}, "
        f"new.deadline, {principal}, NULL, {expires} "
        f"FROM old, LATERAL (SELECT COALESCE({NOW} + CAST(:most AS float8), old.deadline) AS deadline) AS new "
        f"{take} RETURNING s.expires), "
        f"marked AS (UPDATE {table} AS s SET fields = NULL, names = '{{}}', principal = NULL, deadline = NULL, "
        f"successor = CAST(:successor AS bytea), expires = {until}, due = LEAST(s.due, {until}) "
        "FROM old, fresh WHERE s.key = old.key RETURNING 1) "
        "SELECT fresh.expires FROM fresh, marked"
    )


def _revoke(table: str, whose: str) -> str:
    """Delete the sessions of a principal; how many there were, and how many of them are deleted now.

    The numbers differ when a session was moved at the same moment: its new row is not seen before the next statement.
    Rows are locked in order, so that two revocations do not lock each other out.
    """
    doomed = f"{whose} AND s.key IS DISTINCT FROM CAST(:keep AS text)"
    return (
        f"WITH seen AS (SELECT count(*) AS number FROM {table} AS s WHERE {doomed}), "
        f"locked AS MATERIALIZED (SELECT s.key FROM {table} AS s WHERE {doomed} ORDER BY s.key FOR UPDATE), "
        f"gone AS (DELETE FROM {table} AS s USING locked WHERE s.key = locked.key RETURNING 1) "
        "SELECT (SELECT number FROM seen), (SELECT count(*) FROM gone)"
    )


def _purge(table: str) -> str:
    """Remove some of what has expired; how many rows were due, and how many of them are gone.

    A life that got longer is not in the index: its row comes up, and is put off.
    """
    return (
        f"WITH due AS MATERIALIZED (SELECT s.key, s.expires FROM {table} AS s WHERE s.due BETWEEN 0 AND {NOW} "
        f"ORDER BY s.due LIMIT {PURGE_AT_ONCE} FOR UPDATE SKIP LOCKED), "
        f"gone AS (DELETE FROM {table} AS s USING due WHERE s.key = due.key AND due.expires <= {NOW} RETURNING 1), "
        f"later AS (UPDATE {table} AS s SET due = due.expires FROM due WHERE s.key = due.key AND due.expires > {NOW} "
        "RETURNING 1) SELECT (SELECT count(*) FROM due), (SELECT count(*) FROM gone)"
    )

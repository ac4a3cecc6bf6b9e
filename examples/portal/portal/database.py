"""One small interface over SQLite and PostgreSQL.

Each thread has a connection of its own. SQL is written once, in the words that
both databases share, with ``?`` for every value.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

Row = dict[str, Any]

SQLITE_PREFIX = "sqlite:///"
BUSY_SECONDS = 5.0


def now_ms() -> int:
    """Return the present time in milliseconds since 1970."""
    return int(time.time() * 1000)


class Database:
    """Runs statements on the database that the address names."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_postgres = not url.startswith(SQLITE_PREFIX)
        self._local = threading.local()

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return every row that the query finds."""
        rows: list[Row] = self._execute(sql, values).fetchall()
        return rows

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first row that the query finds, or None."""
        row: Row | None = self._execute(sql, values).fetchone()
        return row

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Return the only column of the first row, or None."""
        row = self.one(sql, values)
        return None if row is None else next(iter(row.values()))

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it touched."""
        count: int = self._execute(sql, values).rowcount
        return count

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all statements of the block, or none of them."""
        self.run("BEGIN" if self.is_postgres else "BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):
                self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def is_alive(self) -> bool:
        """Tell whether the database answers."""
        try:
            return bool(self.value("SELECT 1 AS answer") == 1)
        except Exception:  # any failure of either driver means the same here
            return False

    def has_table(self, name: str) -> bool:
        """Tell whether a table of this name exists."""
        if self.is_postgres:
            return self.value("SELECT to_regclass(?) AS found", (name,)) is not None
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self.one(query, (name,)) is not None

    def close(self) -> None:
        """Close the connection of this thread."""
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def _execute(self, sql: str, values: Sequence[Any]) -> Any:
        if self.is_postgres:
            return self._connection().execute(_postgres_sql(sql), values or None)
        return self._connection().execute(sql, values)

    def _connection(self) -> Any:
        connection = getattr(self._local, "connection", None)
        if connection is None or (self.is_postgres and connection.closed):
            connect = _connect_postgres if self.is_postgres else _connect_sqlite
            connection = connect(self.url)
            self._local.connection = connection
        return connection


@lru_cache(maxsize=256)
def _postgres_sql(sql: str) -> str:
    return sql.replace("?", "%s")


def _connect_sqlite(url: str) -> sqlite3.Connection:
    path = url.removeprefix(SQLITE_PREFIX)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    connection.row_factory = _named_row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _named_row(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _connect_postgres(url: str) -> Any:
    import psycopg
    from psycopg.rows import dict_row

    return psycopg.connect(url, autocommit=True, row_factory=dict_row, connect_timeout=5)

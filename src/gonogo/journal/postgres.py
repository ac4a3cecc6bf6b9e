"""The journal in PostgreSQL, for a team that shares one. Each environment has its own schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gonogo.journal.sql import SqlJournal
from gonogo.model.errors import Refused
from gonogo.ports import Clock

if TYPE_CHECKING:
    import psycopg

_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.events (
  sequence bigint PRIMARY KEY,
  run text NOT NULL, step text NOT NULL, attempt integer NOT NULL, kind text NOT NULL,
  at double precision NOT NULL, body text NOT NULL, previous text NOT NULL, hash text NOT NULL,
  UNIQUE (run, step, attempt, kind)
);
CREATE INDEX IF NOT EXISTS events_by_kind ON {schema}.events (kind, sequence);
CREATE INDEX IF NOT EXISTS events_by_run ON {schema}.events (run, sequence);
CREATE OR REPLACE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$;
CREATE OR REPLACE TRIGGER events_are_never_emptied BEFORE TRUNCATE ON {schema}.events
  EXECUTE FUNCTION {schema}.refuse();
CREATE OR REPLACE RULE events_are_never_changed AS ON UPDATE TO {schema}.events DO INSTEAD NOTHING;
CREATE OR REPLACE RULE events_are_never_removed AS ON DELETE TO {schema}.events DO INSTEAD NOTHING;
"""


class PostgresJournal(SqlJournal):
    """ports.Journal in a schema of a PostgreSQL database.

    Appends wait for each other on the table lock SHARE ROW EXCLUSIVE (PostgreSQL manual, 13.3
    Explicit Locking), which readers do not notice.
    """

    def __init__(
        self, url: str, schema: str, *, clock: Clock, redact: Callable[[Any], Any]
    ) -> None:
        self._url = url
        self._schema = '"' + schema.replace('"', '""') + '"'
        super().__init__(
            clock=clock, redact=redact, reading=self._connect, appending=self._append, mark="%s"
        )
        with self._connect() as connection:
            exists = connection.execute(
                "SELECT to_regclass(%s)", (f"{self._schema}.events",)
            ).fetchone()
            if exists and exists[0] is None:
                connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (schema,))
                connection.execute(_SCHEMA.format(schema=self._schema).encode())

    @contextmanager
    def _connect(self) -> Iterator[psycopg.Connection[Any]]:
        import psycopg

        with psycopg.connect(self._url) as connection:
            connection.execute(f"SET search_path = {self._schema}".encode())
            yield connection

    @contextmanager
    def _append(self) -> Iterator[psycopg.Connection[Any]]:
        with self._connect() as connection:
            connection.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
            yield connection


@contextmanager
def alone(url: str, schema: str) -> Iterator[None]:
    """Hold a session's advisory lock; the server frees it when the process dies.

    Refused while another process has it (PostgreSQL manual, 13.3.5 Advisory Locks).
    """
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        key = f"worker of {schema}"
        got = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (key,)).fetchone()
        if not (got and got[0]):
            raise Refused(
                "another machine works on this environment",
                next_step="gonogo runs shows what, gonogo show last --follow follows it",
            )
        yield

"""Where a journal is kept in the tests, and the program that appends to it from another process:
`python journal_place.py KIND WHERE VERB NAME`."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.journal.postgres import PostgresJournal
from gonogo.journal.sqlite import SqliteJournal
from gonogo.ports import Clock, Journal

SCHEMA = "gonogo_shop-front_production"
BURST = 25
"""How many events a child appends before it ends."""


class SystemTime:
    """The time of the machine."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("a journal does not wait")


class Deadly(SystemTime):
    """Asked for the time, which a journal does in the middle of an append, it kills its process."""

    def now(self) -> float:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0.0


@dataclass(frozen=True)
class Place:
    """A journal's kind and its file or address."""

    kind: str
    where: str

    def open(
        self,
        clock: Clock | None = None,
        redact: Callable[[Any], Any] = lambda value: value,
    ) -> Journal:
        """A journal on it, as another process would open it."""
        time = clock or SystemTime()
        if self.kind == "sqlite":
            return SqliteJournal(Path(self.where), clock=time, redact=redact)
        return PostgresJournal(self.where, SCHEMA, clock=time, redact=redact)

    def sql(self, *statements: str) -> list[Sequence[Any]]:
        """Run statements past the journal; the rows of the last one."""
        if self.kind == "sqlite":
            connection: Any = sqlite3.connect(self.where, isolation_level=None)
        else:
            import psycopg

            connection = psycopg.connect(self.where, autocommit=True)
            connection.execute(f'SET search_path = "{SCHEMA}"'.encode())
        try:
            for statement in statements:
                answer = connection.execute(statement)
            return list(answer.fetchall()) if answer.description else []
        finally:
            connection.close()

    def unguarded(self, statement: str) -> None:
        """Change the table as somebody would who took the guards away first."""
        names = ("events_are_never_changed", "events_are_never_removed")
        drop = "DROP TRIGGER {}" if self.kind == "sqlite" else "DROP RULE {} ON events"
        self.sql(*(drop.format(name) for name in names), statement)


def main(kind: str, where: str, verb: str, name: str) -> None:
    """What a child process does; each event that is written is told on a line."""
    place = Place(kind, where)
    if verb == "die":
        place.open(Deadly()).append("run", "begun", {"by": name})
    journal = place.open()
    number = 0
    while verb == "for-ever" or number < BURST:
        journal.append("shared", "same", {"by": name}, step=f"step{number}")
        event = journal.append(name, "own", {"number": number}, step=f"step{number}")
        print(event.sequence, event.hash, flush=True)
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])

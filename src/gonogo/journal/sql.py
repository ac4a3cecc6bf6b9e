"""The journal on a SQL database: one table, only ever inserted into.

Both dialects run the same statements; a dialect differs in how it connects, how it writes a
parameter, and how it makes appends wait for each other. Reading is plain SQL on an index, so that
`status`, `runs` and `show` answer at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from gonogo.model.event import GENESIS, Anchor, Event, digest
from gonogo.ports import Clock

_COLUMNS = "sequence, run, step, attempt, kind, at, body, previous, hash"


class Connection(Protocol):
    """What both database drivers have in common."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Any: ...


class SqlJournal:
    """ports.Journal on any connection factory. redact is the one redaction point in front of it."""

    def __init__(
        self,
        *,
        clock: Clock,
        redact: Callable[[Any], Any],
        reading: Callable[[], AbstractContextManager[Connection]],
        appending: Callable[[], AbstractContextManager[Connection]],
        mark: str,
    ) -> None:
        self._clock = clock
        self._redact = redact
        self._reading = reading
        self._appending = appending
        self._mark = mark

    def append(
        self, run: str, kind: str, body: Mapping[str, Any], *, step: str = "", attempt: int = 0
    ) -> Event:
        """Write an event, or return the one that has the same key already."""
        clean = json.loads(json.dumps(self._redact(dict(body))))
        with self._appending() as connection:
            there = self._one(connection, run, kind, step, attempt)
            if there:
                return there
            last = self._rows(
                connection, f"SELECT {_COLUMNS} FROM events ORDER BY sequence DESC LIMIT 1", ()
            )
            content: dict[str, Any] = {
                "sequence": last[0].sequence + 1 if last else 1,
                "run": run,
                "step": step,
                "attempt": attempt,
                "kind": kind,
                "at": round(self._clock.now(), 3),
                "body": clean,
                "previous": last[0].hash if last else GENESIS,
            }
            event = Event(**content, hash=digest(**content))
            marks = ", ".join([self._mark] * 9)
            connection.execute(
                f"INSERT INTO events ({_COLUMNS}) VALUES ({marks})",
                (*list(content.values())[:6], json.dumps(clean), event.previous, event.hash),
            )
            return event

    def events(self, run: str, *, after: int = 0) -> Sequence[Event]:
        """A run's events in order, those after a sequence number."""
        return self._select(
            f"WHERE run = {self._mark} AND sequence > {self._mark} ORDER BY sequence", (run, after)
        )

    def find(self, run: str, kind: str, *, step: str = "", attempt: int = 0) -> Event | None:
        """One event by its key."""
        with self._reading() as connection:
            return self._one(connection, run, kind, step, attempt)

    def of_kind(self, kind: str) -> Sequence[Event]:
        """All events of a kind, oldest first."""
        return self._select(f"WHERE kind = {self._mark} ORDER BY sequence", (kind,))

    def head(self) -> Anchor | None:
        """Where the journal stands now."""
        first = self._select("ORDER BY sequence LIMIT 1", ())
        last = self._select("ORDER BY sequence DESC LIMIT 1", ())
        if not (first and last):
            return None
        return Anchor(journal=first[0].hash, sequence=last[0].sequence, hash=last[0].hash)

    def chain(self) -> Sequence[Event]:
        """Everything in order."""
        return self._select("ORDER BY sequence", ())

    def _select(self, condition: str, parameters: Sequence[Any]) -> list[Event]:
        with self._reading() as connection:
            return self._rows(connection, f"SELECT {_COLUMNS} FROM events {condition}", parameters)

    def _one(
        self, connection: Connection, run: str, kind: str, step: str, attempt: int
    ) -> Event | None:
        keys = " AND ".join(f"{key} = {self._mark}" for key in ("run", "kind", "step", "attempt"))
        rows = self._rows(
            connection,
            f"SELECT {_COLUMNS} FROM events WHERE {keys}",
            (run, kind, step, attempt),
        )
        return rows[0] if rows else None

    @staticmethod
    def _rows(connection: Connection, statement: str, parameters: Sequence[Any]) -> list[Event]:
        rows = connection.execute(statement, parameters).fetchall()
        names = [name.strip() for name in _COLUMNS.split(",")]
        return [
            Event(**{**dict(zip(names, row, strict=True)), "body": json.loads(row[6])})
            for row in rows
        ]

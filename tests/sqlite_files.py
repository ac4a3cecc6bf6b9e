"""SQLite files for tests: made, filled and looked at; and a database in both journal modes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gonogo.databases.sqlite import SqliteDatabase


class CountingClock:
    """Every look is a second later."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def now(self) -> float:
        self.at += 1
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture(params=[True, False], ids=["wal", "journal"])
def wal(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def database(path: Path, tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(path, tmp_path / "copies", CountingClock())


def make(path: Path, value: int, *, wal: bool, rows: int = 300) -> None:
    """A database whose every row holds the same value, so that a mixture shows."""
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
        database.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, value INTEGER, filler TEXT)")
        database.execute("CREATE INDEX by_value ON t (value)")
        database.executemany(
            "INSERT INTO t (value, filler) VALUES (?, ?)", [(value, "x" * 300)] * rows
        )
        database.commit()


def values(path: Path) -> set[int]:
    """What the rows hold; the file must be intact."""
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {row[0] for row in database.execute("SELECT DISTINCT value FROM t")}


def set_value(path: Path, value: int) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE t SET value = ?", (value,))
        database.commit()


def leave_log(path: Path, value: int) -> None:
    """Leave a write-ahead log with the newest values, as a killed writer does."""
    code = (
        "import os, signal, sqlite3, sys\n"
        "d = sqlite3.connect(sys.argv[1]); d.execute('PRAGMA wal_autocheckpoint=0')\n"
        "d.execute('UPDATE t SET value = ?', (int(sys.argv[2]),)); d.commit()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(value)], check=False)

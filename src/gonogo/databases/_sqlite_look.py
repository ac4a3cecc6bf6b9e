"""Looking at an SQLite file: integrity, rows, schema, who uses it."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from pathlib import Path

from gonogo.model.errors import PermanentError

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def connect(path: Path, *, patience: float = 30.0) -> sqlite3.Connection:
    """Open a database that exists. Writable, because reading may have to recover a journal."""
    address = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=patience, isolation_level=None)


def connect_unchanging(path: Path) -> sqlite3.Connection:
    """Open a file nobody writes, without locks and without files beside it."""
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, isolation_level=None)


def check_integrity(database: sqlite3.Connection, name: str) -> None:
    """PermanentError, with the first problem, unless every page and index is in order."""
    try:
        found = [row[0] for row in database.execute("PRAGMA integrity_check(5)")]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        raise PermanentError(f"copy {name} is not intact: {found[0]}")


def rows(database: sqlite3.Connection) -> dict[str, int]:
    """Rows per table. A virtual table's rows are counted in the tables it is made of."""
    tables = database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        " AND upper(ltrim(sql)) NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    ).fetchall()
    return {name: _count(database, name) for (name,) in tables}


def _count(database: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    return int(database.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])


def fingerprint(database: sqlite3.Connection) -> str:
    """sha256 over the schema, sorted and with white space evened out, so that order does not count.

    SQLite's own tables are left out: they come and go without anybody changing the schema.
    """
    schema = database.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema"
        " WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    lines = sorted(
        [kind, name, table, " ".join((sql or "").split())] for kind, name, table, sql in schema
    )
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else's lock was the reason."""
    return _primary_code(error) in _BUSY


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether the file is not, or no longer, a database."""
    return _primary_code(error) in _DAMAGED


def _primary_code(error: sqlite3.Error) -> int:
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else -1


def users(path: Path) -> list[int]:
    """Other processes that have the file open, as far as /proc shows them.

    SQLite's locks do not show an idle connection, and one that stays open over a restore would go
    on writing to the file that was replaced.
    """
    try:
        wanted = os.stat(path)
    except FileNotFoundError:
        return []
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) != os.getpid() and _has_open(process, wanted):
            found.append(int(process.name))
    return sorted(found)


def _has_open(process: Path, wanted: os.stat_result) -> bool:
    try:
        entries = list((process / "fd").iterdir())
    except OSError:
        return False
    for entry in entries:
        try:
            state = entry.stat()
        except OSError:
            continue
        if (state.st_dev, state.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

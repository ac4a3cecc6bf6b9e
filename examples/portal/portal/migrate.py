"""Brings the database to the schema of this release: ``python -m portal.migrate``.

Every file ``migrations/NNNN_name.sql`` is applied once, in order, each in a
transaction of its own. The table ``schema_migrations`` remembers what was applied.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portal import settings
from portal.database import Database, now_ms
from portal.release import ROOT

HISTORY = "schema_migrations"
CREATE_HISTORY = f"""
CREATE TABLE IF NOT EXISTS {HISTORY} (
    name TEXT PRIMARY KEY,
    checksum TEXT NOT NULL,
    applied_at BIGINT NOT NULL
)
"""


class MigrationError(Exception):
    """A migration cannot be applied."""


@dataclass(frozen=True)
class Migration:
    """One file of SQL."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the file, to notice a later change."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known(folder: Path = ROOT / "migrations") -> list[Migration]:
    """Return the migrations of this release, in order."""
    paths = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return [Migration(path.stem, path.read_text(encoding="utf-8")) for path in paths]


def applied(database: Database) -> dict[str, str]:
    """Return the name and the checksum of every applied migration."""
    if not database.has_table(HISTORY):
        return {}
    rows = database.all(f"SELECT name, checksum FROM {HISTORY} ORDER BY name")
    return {row["name"]: row["checksum"] for row in rows}


def pending(database: Database) -> list[Migration]:
    """Return the migrations of this release that the database does not have yet."""
    done = applied(database)
    return [migration for migration in known() if migration.name not in done]


def last_applied(database: Database) -> str | None:
    """Return the name of the newest applied migration."""
    return max(applied(database), default=None)


def apply_all(database: Database) -> list[str]:
    """Apply what is pending and return the names of what was applied."""
    database.run(CREATE_HISTORY)
    _refuse_changed_files(database)
    return [migration.name for migration in pending(database) if _apply_one(database, migration)]


def statements(sql: str) -> Iterator[str]:
    """Split a file of SQL into its statements."""
    collected = ""
    for line in sql.splitlines(keepends=True):
        if not collected and (not line.strip() or line.lstrip().startswith("--")):
            continue
        collected += line
        if sqlite3.complete_statement(collected):
            yield collected.strip()
            collected = ""
    if collected.strip():
        yield collected.strip()


def _refuse_changed_files(database: Database) -> None:
    done = applied(database)
    for migration in known():
        if done.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationError(f"{migration.name} was changed after it had been applied")


def _apply_one(database: Database, migration: Migration) -> bool:
    """Apply one migration, unless another process has just done it."""
    with database.transaction():
        if database.is_postgres:
            database.run(f"LOCK TABLE {HISTORY} IN EXCLUSIVE MODE")
        if migration.name in applied(database):
            return False
        for statement in statements(migration.sql):
            database.run(statement)
        database.run(
            f"INSERT INTO {HISTORY} (name, checksum, applied_at) VALUES (?, ?, ?)",
            (migration.name, migration.checksum, now_ms()),
        )
    return True


def _run(database: Database, options: argparse.Namespace) -> None:
    if options.pending:
        for migration in pending(database):
            print(migration.name)
        return
    for name in apply_all(database):
        print(f"applied {name}")
    if options.seed:
        from portal import seed

        print(f"added {seed.add_customers(database)} customers")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="portal.migrate", description="Migrate the database.")
    parser.add_argument("--pending", action="store_true", help="only list what is pending")
    parser.add_argument("--seed", action="store_true", help="then add sample customers")
    options = parser.parse_args(arguments)
    database = Database(settings.load_or_exit("migrate").database_url)
    try:
        _run(database, options)
    except Exception as error:  # both drivers have errors of their own
        print(f"portal migrate: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

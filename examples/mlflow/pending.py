"""Prints MLflow's pending migrations, one a line, first the one to apply first. Changes nothing.

MLflow has no command for this, so the migrations that the installed release brings are compared
with the version noted in the database. Run by the Python of the release:

    .venv/bin/python pending.py            reads MLFLOW_BACKEND_STORE_URI
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow.store.db_migrations
from alembic.script import ScriptDirectory

NOTED = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"


def applied(path: Path) -> tuple[str, ...]:
    """The versions noted in the database; none when there is no database yet."""
    if not path.exists():
        return ()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        if not database.execute(NOTED).fetchone()[0]:
            return ()
        return tuple(row[0] for row in database.execute("SELECT version_num FROM alembic_version"))


def pending(path: Path) -> list[str]:
    """Version and title of each migration that is still to be applied."""
    scripts = ScriptDirectory(str(Path(mlflow.store.db_migrations.__file__).parent))
    steps = scripts.iterate_revisions(scripts.get_heads(), applied(path) or "base")
    return [f"{step.revision} {step.doc}" for step in reversed(list(steps))]


if __name__ == "__main__":
    address = os.environ["MLFLOW_BACKEND_STORE_URI"]
    for line in pending(Path(address.removeprefix("sqlite:///"))):
        print(line)

"""A database in both journal modes."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlite_files import CountingClock

from gonogo.databases.sqlite import SqliteDatabase


@pytest.fixture(params=[True, False], ids=["wal", "journal"])
def wal(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def database(path: Path, tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(path, tmp_path / "copies", CountingClock())

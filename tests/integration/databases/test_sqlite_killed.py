"""Copies and restores killed by -9: the old or the new, never a mixture."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from killing import killed_at
from sqlite_files import leave_log, make, set_value, values

from gonogo.databases.sqlite import SqliteDatabase


def test_a_copy_killed_at_any_step_is_whole_or_not_there(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    make(path, 1, wal=wal)
    event = 1
    while killed_at(event, tmp_path, lambda: asyncio.run(database.copy("a"))):
        for copy in asyncio.run(database.copies()):
            database._copies.verify(copy)
            assert values(tmp_path / "copies" / "a.db") == {1}
            (tmp_path / "copies" / "a.json").unlink()
        event += 1
    assert event > 10
    asyncio.run(database.copy("b"))
    names = {each.name for each in (tmp_path / "copies").iterdir()}
    assert names == {".lock", "a.db", "a.json", "b.db", "b.json"}
    assert values(path) == {1}


def test_a_restore_killed_at_any_step_leaves_the_old_or_the_new_database(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    make(path, 1, wal=wal)
    asyncio.run(database.copy("a"))
    seen, event, through = [], 1, False
    while not through:
        make(path, 0, wal=wal)
        leave_log(path, 2)
        through = not killed_at(event, tmp_path, lambda: asyncio.run(database.restore("a")))
        found = values(path)
        assert found in ({1}, {2})
        seen.append(found)
        event += 1
    assert seen[0] == {2} and seen[-1] == {1}
    for copy in asyncio.run(database.copies()):
        database._copies.verify(copy)
    asyncio.run(database.restore("a"))
    assert not [each for each in tmp_path.iterdir() if "partial" in each.name]


def test_a_removal_killed_at_any_step_leaves_a_whole_copy_or_none(
    database: SqliteDatabase, path: Path, tmp_path: Path
) -> None:
    make(path, 1, wal=True)
    seen, event = set(), 1
    asyncio.run(database.copy("a"))
    while killed_at(event, tmp_path, lambda: asyncio.run(database.forget("a"))):
        copies = asyncio.run(database.copies())
        for copy in copies:
            database._copies.verify(copy)
        seen.add(len(copies))
        asyncio.run(database.copy("a"))
        event += 1
    assert seen == {0, 1}
    assert {each.name for each in (tmp_path / "copies").iterdir()} == {".lock"}


CHILD = """
import asyncio, sys, time
from gonogo.databases.sqlite import SqliteDatabase
class Now:
    def now(self): return time.time()
    async def sleep(self, seconds): pass
database = SqliteDatabase(sys.argv[1], sys.argv[2], Now())
print("ready", flush=True)
for turn in range(1000):
    asyncio.run(database.copy(f"copy-{time.time_ns()}"))
    asyncio.run(database.restore(("one", "two")[turn % 2]))
"""


def test_killed_at_random_moments_nothing_is_ever_a_mixture(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    chance = random.Random(7)
    make(path, 1, wal=wal, rows=3000)
    asyncio.run(database.copy("one"))
    set_value(path, 2)
    asyncio.run(database.copy("two"))
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(tmp_path / "copies")],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert child.stdout is not None
        with child.stdout:
            child.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.12))
            child.kill()
            child.wait()
        assert values(path) in ({1}, {2})
        for copy in asyncio.run(database.copies()):
            database._copies.verify(copy)
            assert len(values(tmp_path / "copies" / f"{copy.name}.db")) == 1
    manifest = json.loads((tmp_path / "copies" / "one.json").read_text())
    assert manifest["rows"] == {"t": 3000}

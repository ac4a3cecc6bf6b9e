"""SqliteDatabase with real SQLite: copies under writers, and restores."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_files import CountingClock, leave_log, make, set_value, values

from gonogo.databases._copies import Copies
from gonogo.databases.sqlite import SqliteDatabase, path_of
from gonogo.model.errors import PermanentError, Refused, TemporaryError


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("data/app.db", "data/app.db"),
        ("/srv/app.db", "/srv/app.db"),
        ("sqlite:///data/app.db", "data/app.db"),
        ("sqlite:////srv/app.db?timeout=3", "/srv/app.db"),
    ],
)
def test_settings_name_a_file(setting: str, expected: str) -> None:
    assert path_of(setting) == Path(expected)


def test_a_copy_is_whole_private_and_described(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    make(path, 1, wal=wal)
    copy = asyncio.run(database.copy("before-1"))
    assert copy.rows == {"t": 300} and copy.name == "before-1" and copy.size > 90_000
    assert copy.fingerprint == asyncio.run(database.fingerprint()) != ""
    assert asyncio.run(database.copies()) == [copy]
    files = {each.name for each in (tmp_path / "copies").iterdir()}
    assert files == {".lock", "before-1.db", "before-1.json"}
    assert stat.S_IMODE((tmp_path / "copies" / "before-1.db").stat().st_mode) == 0o600
    assert str(tmp_path) not in (tmp_path / "copies" / "before-1.json").read_text()
    assert values(tmp_path / "copies" / "before-1.db") == {1}


def test_the_copy_already_there_is_returned(database: SqliteDatabase, path: Path) -> None:
    make(path, 1, wal=True)
    first = asyncio.run(database.copy("a"))
    set_value(path, 2)
    assert asyncio.run(database.copy("a")) == first
    assert asyncio.run(database.copy("b")).sha256 != first.sha256
    assert [each.name for each in asyncio.run(database.copies())] == ["b", "a"]


def test_a_copy_contains_what_is_only_in_the_log(
    database: SqliteDatabase, path: Path, tmp_path: Path
) -> None:
    make(path, 1, wal=True)
    leave_log(path, 2)
    assert path.with_name("app.db-wal").stat().st_size > 0
    asyncio.run(database.copy("a"))
    assert values(tmp_path / "copies" / "a.db") == {2}


def test_a_copy_under_writers_is_consistent(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    make(path, 0, wal=wal)
    stop = threading.Event()

    def write() -> None:
        value = 0
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            while not stop.is_set():
                value += 1
                connection.execute("UPDATE t SET value = ?", (value,))
                connection.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            asyncio.run(database.copy(f"c{number}"))
            assert len(values(tmp_path / "copies" / f"c{number}.db")) == 1
    finally:
        stop.set()
        writer.join()


def test_without_a_database_there_is_nothing_to_copy(database: SqliteDatabase, path: Path) -> None:
    assert asyncio.run(database.fingerprint()) == ""
    assert asyncio.run(database.copies()) == []
    with pytest.raises(PermanentError, match="no database"):
        asyncio.run(database.copy("a"))
    assert not path.exists()


def test_a_damaged_database_is_not_copied(database: SqliteDatabase, path: Path) -> None:
    make(path, 1, wal=False)
    content = bytearray(path.read_bytes())
    content[8192:24576] = os.urandom(16384)
    path.write_bytes(content)
    with pytest.raises(PermanentError):
        asyncio.run(database.copy("a"))
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(PermanentError):
        asyncio.run(database.copy("a"))
    with pytest.raises(PermanentError):
        asyncio.run(database.fingerprint())
    assert asyncio.run(database.copies()) == []


def test_a_locked_database_is_a_temporary_error(
    database: SqliteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gonogo.databases.sqlite._BUSY_PATIENCE", 0.3)
    make(path, 1, wal=False)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TemporaryError):
            asyncio.run(database.copy("a"))
    assert asyncio.run(database.copies()) == []


def test_a_full_disk_is_noticed_before(
    database: SqliteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path, 1, wal=True)
    monkeypatch.setattr("gonogo.databases.sqlite._SPARE", 10**18)
    with pytest.raises(Refused, match="MB are free"):
        asyncio.run(database.copy("a"))


@pytest.mark.parametrize("name", ["../a", "", ".a", "a/b"])
def test_names_that_are_no_file_names_are_refused(database: SqliteDatabase, name: str) -> None:
    with pytest.raises(PermanentError, match="not a name"):
        asyncio.run(database.copy(name))


def test_fingerprints_follow_the_schema_and_nothing_else(
    database: SqliteDatabase, path: Path, tmp_path: Path
) -> None:
    make(path, 1, wal=True)
    first = asyncio.run(database.fingerprint())
    set_value(path, 2)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ANALYZE")
        connection.execute("VACUUM")
    assert asyncio.run(database.fingerprint()) == first
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE t ADD COLUMN note TEXT")
    assert asyncio.run(database.fingerprint()) != first


def test_virtual_tables_and_odd_names_are_counted(database: SqliteDatabase, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE "a ""b" (x INTEGER PRIMARY KEY AUTOINCREMENT)')
        connection.execute('INSERT INTO "a ""b" DEFAULT VALUES')
        connection.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
        connection.execute("INSERT INTO words VALUES ('hello')")
        connection.commit()
    rows = asyncio.run(database.copy("a")).rows
    assert rows['a "b'] == 1 and "words" not in rows and rows["words_content"] == 1


def test_restore_puts_the_copy_back_and_keeps_what_was_there(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    make(path, 1, wal=wal)
    os.chmod(path, 0o640)
    asyncio.run(database.copy("a"))
    leave_log(path, 2)
    asyncio.run(database.restore("a"))
    assert not path.with_name("app.db-wal").exists()
    assert values(path) == {1} and stat.S_IMODE(path.stat().st_mode) == 0o640
    kept = asyncio.run(database.copies())[0]
    assert kept.name.startswith("replaced-")
    assert values(tmp_path / "copies" / f"{kept.name}.db") == {2}
    asyncio.run(database.restore(kept.name))
    assert values(path) == {2}
    assert not [each for each in tmp_path.iterdir() if "partial" in each.name]


def test_restore_brings_back_a_database_that_is_gone_or_damaged(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    make(path, 1, wal=wal)
    asyncio.run(database.copy("a"))
    path.unlink()
    path.with_name("app.db-wal").write_bytes(b"left over")
    asyncio.run(database.restore("a"))
    assert values(path) == {1}
    path.write_bytes(b"rubbish" * 1000)
    asyncio.run(database.restore("a"))
    assert values(path) == {1}
    [kept] = list((tmp_path / "copies").glob("damaged-*/app.db"))
    assert kept.read_bytes() == b"rubbish" * 1000


def test_a_hot_journal_is_not_played_into_the_restored_database(
    database: SqliteDatabase, path: Path, tmp_path: Path
) -> None:
    make(path, 1, wal=False, rows=3000)
    asyncio.run(database.copy("a"))
    set_value(path, 2)
    code = (
        "import os, signal, sqlite3, sys\n"
        "d = sqlite3.connect(sys.argv[1]); d.execute('PRAGMA cache_size=5')\n"
        "d.execute('UPDATE t SET value = 3'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.with_name("app.db-journal").stat().st_size > 0
    asyncio.run(database.restore("a"))
    assert not path.with_name("app.db-journal").exists() and values(path) == {1}
    kept = asyncio.run(database.copies())[0]
    assert values(tmp_path / "copies" / f"{kept.name}.db") == {2}


def test_restore_heals_a_database_that_opens_but_is_not_intact(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    make(path, 1, wal=wal)
    asyncio.run(database.copy("a"))
    content = bytearray(path.read_bytes())
    content[8192:24576] = b"\xa5" * 16384
    path.write_bytes(content)
    asyncio.run(database.restore("a"))
    assert values(path) == {1}
    [kept] = list((tmp_path / "copies").glob("damaged-*/app.db"))
    assert kept.read_bytes()[8192:24576] == b"\xa5" * 16384


def test_a_copy_that_was_changed_is_not_restored(
    database: SqliteDatabase, path: Path, tmp_path: Path
) -> None:
    make(path, 1, wal=True)
    asyncio.run(database.copy("a"))
    file = tmp_path / "copies" / "a.db"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    set_value(path, 2)
    for act in (database.restore, database.copy):
        with pytest.raises(PermanentError, match="sha256"):
            asyncio.run(act("a"))
    file.write_bytes(content[:-4096])
    with pytest.raises(PermanentError, match="size"):
        asyncio.run(database.restore("a"))
    assert values(path) == {2} and asyncio.run(database.copies()) == []


def test_verify_reads_a_copy_back_and_notes_when(
    database: SqliteDatabase, path: Path, wal: bool
) -> None:
    make(path, 1, wal=wal)
    made = asyncio.run(database.copy("a"))
    path.unlink()
    seen = asyncio.run(database.verify("a"))
    assert made.verified == made.at < seen.verified
    assert asyncio.run(database.copies()) == [seen]


def test_verify_tells_of_a_copy_that_was_changed(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    make(path, 1, wal=wal)
    asyncio.run(database.copy("a"))
    file = tmp_path / "copies" / "a.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(PermanentError, match="sha256"):
        asyncio.run(database.verify("a"))
    assert [one.verified for one in asyncio.run(database.copies())] == [0]
    file.write_bytes(whole[:-1])
    with pytest.raises(PermanentError, match="size"):
        asyncio.run(database.verify("a"))
    with pytest.raises(PermanentError, match="there is no copy b"):
        asyncio.run(database.verify("b"))


def test_looking_at_a_copy_keeps_nobody_from_copying(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    make(path, 1, wal=wal)
    asyncio.run(database.copy("a"))
    with Copies(tmp_path / "copies").alone():
        assert asyncio.run(database.verify("a")).name == "a"


def test_a_copy_of_before_there_was_a_note_counts_as_verified_when_it_was_made(
    database: SqliteDatabase, path: Path, tmp_path: Path, wal: bool
) -> None:
    make(path, 1, wal=wal)
    made = asyncio.run(database.copy("a"))
    manifest = tmp_path / "copies" / "a.json"
    data = json.loads(manifest.read_text())
    del data["verified"]
    manifest.write_text(json.dumps(data))
    assert asyncio.run(database.copies()) == [made]


def test_a_forgotten_copy_is_gone_and_the_others_stay(
    database: SqliteDatabase, path: Path, tmp_path: Path
) -> None:
    make(path, 1, wal=True)
    for name in ("a", "b"):
        asyncio.run(database.copy(name))
    (tmp_path / "copies" / "mine.db").write_text("put there by a person")
    asyncio.run(database.forget("a"))
    asyncio.run(database.forget("a"))
    assert [one.name for one in asyncio.run(database.copies())] == ["b"]
    files = {each.name for each in (tmp_path / "copies").iterdir()}
    assert files == {".lock", "b.db", "b.json", "mine.db"}
    with pytest.raises(PermanentError, match="not a name"):
        asyncio.run(database.forget("../a"))


def test_an_unknown_copy_is_not_restored(database: SqliteDatabase, path: Path) -> None:
    make(path, 1, wal=True)
    with pytest.raises(PermanentError, match="no copy"):
        asyncio.run(database.restore("none"))


OPEN = """
import sqlite3, sys
d = sqlite3.connect(sys.argv[1], isolation_level=None)
d.execute("SELECT count(*) FROM t").fetchone()
if sys.argv[2] != "idle":
    d.execute("BEGIN " + sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("what", ["idle", "IMMEDIATE", "EXCLUSIVE"])
def test_restore_refuses_while_anybody_uses_the_database(
    database: SqliteDatabase, path: Path, what: str, wal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gonogo.databases.sqlite._RESTORE_PATIENCE", 0.2)
    make(path, 1, wal=wal)
    asyncio.run(database.copy("a"))
    set_value(path, 2)
    with subprocess.Popen(
        [sys.executable, "-c", OPEN, str(path), what], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as user:
        assert user.stdout is not None
        user.stdout.readline()
        with pytest.raises(Refused, match="in use"):
            asyncio.run(database.restore("a"))
    assert values(path) == {2}
    asyncio.run(database.restore("a"))
    assert values(path) == {1}


def test_one_at_a_time_works_on_the_copies(
    database: SqliteDatabase, path: Path, tmp_path: Path
) -> None:
    make(path, 1, wal=True)
    other = SqliteDatabase(path, tmp_path / "copies", CountingClock())
    with other._copies.alone(), pytest.raises(Refused, match="another process"):
        asyncio.run(database.copy("a"))
    asyncio.run(database.copy("a"))

"""An SQLite database: consistent copies while it is in use, and putting one back.

A copy counts only once its manifest lies beside it, and the manifest is written last. Restoring
never edits the database in place: the new file is made whole beside it and takes its place in one
rename.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from gonogo.databases import _sqlite_look as look
from gonogo.databases._copies import Copies
from gonogo.model.errors import PermanentError, Refused, TemporaryError
from gonogo.model.plan import Operation
from gonogo.model.target import Copy
from gonogo.ports import Clock, Database

T = TypeVar("T")

_SIDE_FILES = ("-journal", "-wal", "-shm")
_BUSY_PATIENCE = 30.0
_RESTORE_PATIENCE = 2.0
_SPARE = 50 * 1024 * 1024


def path_of(setting: str) -> Path:
    """The file that a setting names: a path, or `sqlite:///relative` or `sqlite:////absolute`."""
    for prefix in ("sqlite:///", "sqlite:"):
        if setting.startswith(prefix):
            return Path(setting.removeprefix(prefix).partition("?")[0])
    return Path(setting)


async def _whole(function: Callable[[str], T], name: str) -> T:
    """Run in a thread and wait for its end even when cancelled: it must not act later."""
    task = asyncio.ensure_future(asyncio.to_thread(function, name))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


class SqliteDatabase:
    """The database at path (a path or a `sqlite:///` URL); copies lie in copies_folder."""

    def __init__(self, path: str | Path, copies_folder: str | Path, clock: Clock) -> None:
        self._path = path_of(path) if isinstance(path, str) else path
        self._copies = Copies(Path(copies_folder))
        self._clock = clock

    def describe(self, verb: str, name: str) -> Sequence[Operation]:
        """What copy or restore will do."""
        file = self._path.name
        done: tuple[str, ...]
        if verb == "restore":
            done = (
                f"verify copy {name}: sha256, integrity_check",
                f"refuse while anybody uses {file}",
                f"copy {file} as it is now",
                f"replace {file} by copy {name} in one rename",
            )
        else:
            done = (
                f"copy {file} to {name} (SQLite online backup)",
                f"verify copy {name}: integrity_check, rows per table, schema, sha256",
            )
        return [Operation(where="database", what=what) for what in done]

    async def copy(self, name: str) -> Copy:
        """A consistent copy, checked by reading it back; the one already there is returned."""
        return await _whole(self._locked_copy, name)

    async def copies(self) -> Sequence[Copy]:
        """The copies that are whole, newest first."""
        return await asyncio.to_thread(self._copies.all)

    async def restore(self, name: str) -> None:
        """Put a copy in the place of the database, atomically. Writers must be stopped."""
        await _whole(self._restore, name)

    async def verify(self, name: str) -> Copy:
        """Read a copy back whole and note when. PermanentError unless it is as it was made."""
        return await _whole(self._verify, name)

    async def forget(self, name: str) -> None:
        """Remove a copy; nothing happens when there is none."""
        await _whole(self._forget, name)

    async def fingerprint(self) -> str:
        """A hash of the schema; equal schemas have equal hashes. Empty: no database yet."""
        return await asyncio.to_thread(self._fingerprint)

    def _fingerprint(self) -> str:
        path = self._path.resolve()
        if not path.exists():
            return ""
        try:
            with closing(look.connect(path)) as database:
                return look.fingerprint(database)
        except sqlite3.Error as error:
            raise _unusable(path, error) from None

    def _forget(self, name: str) -> None:
        with self._copies.alone():
            self._copies.remove(name)

    def _locked_copy(self, name: str) -> Copy:
        with self._copies.alone():
            return self._copy(name)

    def _copy(self, name: str) -> Copy:
        there = self._copies.find(name)
        if there:
            self._copies.verify(there)
            return there
        path = self._path.resolve()
        if not path.exists():
            raise PermanentError(
                f"there is no database {path.name} to copy",
                next_step="check the setting `database` or create the database first",
            )
        self._copies.sweep()
        size = sum(os.path.getsize(file) for file in (path, _side(path, "-wal")) if file.exists())
        self._copies.need_space(size + _SPARE)
        partial = self._copies.new_partial(name)
        try:
            _back_up(path, partial)
            with closing(look.connect_unchanging(partial)) as copied:
                look.check_integrity(copied, name)
                rows, fingerprint = look.rows(copied), look.fingerprint(copied)
        except sqlite3.Error as error:
            raise _unusable(path, error) from None
        return self._copies.keep(
            partial, name=name, at=self._clock.now(), fingerprint=fingerprint, rows=rows
        )

    def _verify(self, name: str) -> Copy:
        """Without the lock: nobody who copies or restores has to wait for one who looks."""
        copy = self._copies.need(name)
        with closing(look.connect_unchanging(self._copies.file(name))) as copied:
            look.check_integrity(copied, name)
            if (look.rows(copied), look.fingerprint(copied)) != (copy.rows, copy.fingerprint):
                raise PermanentError(
                    f"copy {name} is not what its manifest says", next_step="use another copy"
                )
        return self._copies.verified(copy, self._clock.now())

    def _restore(self, name: str) -> None:
        with self._copies.alone():
            self._copies.need(name)
            source = self._copies.file(name)
            with closing(look.connect_unchanging(source)) as copied:
                look.check_integrity(copied, name)
            path = self._path.resolve()
            _sweep_beside(path)
            ready = self._put_beside(source, path)
            try:
                self._replace(ready, path)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(ready)

    def _put_beside(self, source: Path, path: Path) -> Path:
        """The copy, whole and on the same file system, so that one rename puts it in place."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < source.stat().st_size + _SPARE:
            raise Refused("the disk is too full to restore the database", next_step="make space")
        ready = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
        shutil.copyfile(source, ready)
        os.chmod(ready, 0o600)
        if path.exists():
            state = path.stat()
            os.chmod(ready, state.st_mode & 0o777)
            if os.geteuid() == 0:
                os.chown(ready, state.st_uid, state.st_gid)
        look.sync(ready)
        return ready

    def _replace(self, ready: Path, path: Path) -> None:
        """Swap the files while nobody can use the old one.

        A write-ahead log left beside the new file would be played into it. So the old database is
        first brought into one file (journal_mode=DELETE empties and removes the log, and fails
        while anybody else has the database open); from then on the rename is the only change.
        """
        if not path.exists():
            _remove_side_files(path)
            _rename(ready, path)
            return
        try:
            old = look.connect(path, patience=_RESTORE_PATIENCE)
            with closing(old):
                _into_one_file(old)
                version = old.execute("PRAGMA data_version").fetchone()
                self._keep_old(path)
                old.execute("BEGIN EXCLUSIVE")
                if old.execute("PRAGMA data_version").fetchone() != version:
                    raise _in_use(path)
                users = look.users(path)
                if users:
                    raise _in_use(path, users)
                _rename(ready, path)
        except sqlite3.DatabaseError as error:
            if look.is_busy(error):
                raise _in_use(path) from None
            if not look.is_damaged(error):
                raise _unusable(path, error) from None
            self._replace_damaged(ready, path)

    def _replace_damaged(self, ready: Path, path: Path) -> None:
        """A file SQLite cannot read: it cannot be copied properly, so its bytes are kept."""
        users = look.users(path)
        if users:
            raise _in_use(path, users)
        self._keep_bytes(path)
        _remove_side_files(path)
        _rename(ready, path)

    def _keep_old(self, path: Path) -> None:
        """A damaged database must not stand in the way of the copy that heals it."""
        try:
            self._copy(self._replaced_name())
        except Refused:
            raise
        except PermanentError:
            self._keep_bytes(path)

    def _keep_bytes(self, path: Path) -> None:
        kept = self._copies.folder / f"damaged-{self._replaced_name()}"
        kept.mkdir(mode=0o700)
        for file in (path, *(_side(path, ending) for ending in _SIDE_FILES)):
            if file.exists():
                shutil.copyfile(file, kept / file.name)
                look.sync(kept / file.name)

    def _replaced_name(self) -> str:
        stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(self._clock.now()))
        return f"replaced-{stamp}-{secrets.token_hex(2)}"


def _back_up(path: Path, partial: Path) -> None:
    """All pages in one step: a copy in several steps starts again with every write."""
    deadline = time.monotonic() + _BUSY_PATIENCE

    def progress(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise TemporaryError(f"{path.name} is locked by another process; it was not copied")

    source_of = look.connect(path, patience=_BUSY_PATIENCE)
    with closing(source_of) as source, closing(sqlite3.connect(partial)) as copied:
        source.backup(copied, pages=-1, progress=progress, sleep=0.1)


def _into_one_file(old: sqlite3.Connection) -> None:
    mode = old.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    if mode != "delete":
        raise PermanentError(f"the database cannot be brought into one file (journal mode {mode})")
    # Reading takes part in recovery: a journal left by a killed writer is rolled back here.
    old.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    old.execute("BEGIN EXCLUSIVE")
    old.execute("ROLLBACK")


def _rename(ready: Path, path: Path) -> None:
    os.replace(ready, path)
    look.sync(path.parent)


def _side(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _remove_side_files(path: Path) -> None:
    for ending in _SIDE_FILES:
        with suppress(FileNotFoundError):
            os.unlink(_side(path, ending))
    look.sync(path.parent)


def _sweep_beside(path: Path) -> None:
    for partial in path.parent.glob(f".{path.name}.*.partial"):
        partial.unlink(missing_ok=True)


def _in_use(path: Path, users: Sequence[int] = ()) -> Refused:
    who = f" by process {', '.join(map(str, users))}" if users else ""
    return Refused(
        f"{path.name} is in use{who}; restoring it would lose what is being written",
        next_step="stop the services first, then restore",
    )


def _unusable(path: Path, error: sqlite3.Error) -> PermanentError | TemporaryError:
    if look.is_busy(error):
        return TemporaryError(f"{path.name} is locked by another process")
    return PermanentError(f"{path.name} cannot be used: {error}")


FITS: type[Database] = SqliteDatabase

"""Private files: whole or not there, readable only by their owner."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from gonogo.model.errors import PermanentError
from gonogo.ports import Clock


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can use; refuse one that belongs to somebody else.

    A folder under /tmp could have been made beforehand by another user, to listen in.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermanentError(
            f"{path} is not a folder of this user", next_step=f"look at it: ls -ld {path}"
        )
    if status.st_mode & 0o077:
        path.chmod(0o700)
    return path


def write(path: Path, content: bytes) -> None:
    """Put a 0600 file in place in one step."""
    _write_aside(path, content).replace(path)


def create(path: Path, content: bytes) -> bool:
    """Put a 0600 file in place in one step, unless there is one: then False."""
    aside = _write_aside(path, content)
    try:
        os.link(aside, path)
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    return True


def remove(path: Path) -> None:
    """Remove a file and what an interrupted write of it left."""
    path.unlink(missing_ok=True)
    _aside(path).unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, so that it is never stale."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def held(path: Path, clock: Clock) -> AsyncIterator[None]:
    """The same for a longer stretch: others wait for it without standing still."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while not _try_lock(descriptor):
            await clock.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def last_lines(path: Path, lines: int, *, most: int = 1 << 20) -> str:
    """The last lines of a file, at most a mebibyte of them; nothing when there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:]) if lines > 0 else ""


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _write_aside(path: Path, content: bytes) -> Path:
    aside = _aside(path)
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return aside

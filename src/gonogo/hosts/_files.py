"""Files that are written whole or not at all, for the owner's eyes only."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from gonogo.model.errors import PermanentError


def read_file(path: Path) -> bytes | None:
    """The content; None when there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PermanentError(f"cannot read {path}: {error.strerror}") from None


def write_file(path: Path, content: bytes, exclusive: bool) -> bool:
    """Temporary file, fsync, then one rename or link: a kill leaves the old file or the new one.

    What a killed process left of its temporary file goes with the next write into that folder.
    """
    try:
        _make_folder(path.parent)
        _sweep(path.parent)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(6)}.tmp")
        try:
            _write_new(temporary, content)
            if exclusive:
                os.link(temporary, path)
            else:
                os.replace(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        _sync_folder(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise PermanentError(f"cannot write {path}: {error.strerror}") from None
    return True


def remove_file(path: Path) -> None:
    """Remove a file; nothing happens when there is none."""
    try:
        os.unlink(path)
        _sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PermanentError(f"cannot remove {path}: {error.strerror}") from None


def _make_folder(folder: Path) -> None:
    """Every folder made here is 0700; `Path.mkdir` gives that mode to the last one only."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def _sweep(folder: Path) -> None:
    """Remove temporary files whose process is gone."""
    for left in folder.glob(".*.tmp"):
        process = left.name.split(".")[-3]
        if process.isdigit() and not Path(f"/proc/{process}").exists():
            left.unlink(missing_ok=True)


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

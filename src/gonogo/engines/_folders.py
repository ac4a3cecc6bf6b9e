"""Folders of releases: copying files into one, and removing one whatever it holds."""

from __future__ import annotations

import ast
import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

REMOVED = ".removed-"
"""What begins so is on its way out, and nobody looks at it any more."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and onto the disk."""
    temporary = path.with_name(f"{REMOVED}{secrets.token_hex(6)}")
    with open(temporary, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(folder: Path) -> None:
    """Rename the folder out of sight, then remove it: a kill leaves no half release in place."""
    gone = folder.with_name(f"{REMOVED}{secrets.token_hex(6)}")
    try:
        os.rename(folder, gone)
    except FileNotFoundError:
        return
    _remove(gone)


def sweep_removed(parent: Path) -> None:
    """Remove what a killed removal left."""
    for left in parent.glob(f"{REMOVED}*"):
        if left.is_dir() and not left.is_symlink():
            _remove(left)
        else:
            left.unlink(missing_ok=True)


def size_of(folder: Path) -> int:
    """Bytes of all files below, as far as they can be seen."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += os.lstat(os.path.join(place, name)).st_size
    return size


def _remove(folder: Path) -> None:
    """Builds may leave folders that are read-only (Go's module cache does)."""
    for place, names, _ in os.walk(folder):
        os.chmod(place, 0o700)
        for name in names:
            inner = os.path.join(place, name)
            if not os.path.islink(inner):
                os.chmod(inner, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def copy_files(source: Path, target: Path, names: Sequence[str], leave_out: Path) -> None:
    """Copy these files of a working tree; a file that was deleted there is left out."""
    forbidden = leave_out.resolve()
    for name in names:
        old, new = source / name, target / name
        if forbidden in (source.resolve() / name).parents:
            continue
        if not os.path.lexists(old) or (old.is_dir() and not old.is_symlink()):
            continue
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(old, new, follow_symlinks=False)


def unquote(name: str) -> str:
    """A path as git prints it: unusual ones in quotes, with the escapes of C."""
    if not name.startswith('"'):
        return name
    content = ast.literal_eval("b" + name)
    assert isinstance(content, bytes)
    return os.fsdecode(content)

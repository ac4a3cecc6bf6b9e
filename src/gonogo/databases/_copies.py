"""A folder of database copies. A copy without a manifest is no copy."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from gonogo.databases._sqlite_look import sync
from gonogo.model.errors import PermanentError, Refused
from gonogo.model.target import Copy, is_copy_name


class Copies:
    """`<name>.db` with its manifest `<name>.json`, which is written last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes out of the folder; the kernel lets go if this one dies."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.folder / ".lock", "wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(
                    "another process is copying or restoring this database",
                    next_step="wait until it has ended",
                ) from None
            yield

    def file(self, name: str) -> Path:
        """Where a copy lies."""
        if not is_copy_name(name):
            raise PermanentError(f"not a name for a copy: {name!r}")
        return self.folder / f"{name}.db"

    def find(self, name: str) -> Copy | None:
        """A copy that is whole."""
        file = self.file(name)
        try:
            data = json.loads((self.folder / f"{name}.json").read_text("utf-8"))
            copy = Copy(**{"verified": data["at"], **data})
            whole = copy.name == name and file.stat().st_size == copy.size
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            raise PermanentError(f"the manifest of copy {name} cannot be read") from None
        if not whole:
            raise PermanentError(f"copy {name} has not the size that its manifest says")
        return copy

    def all(self) -> list[Copy]:
        """All whole copies, newest first."""
        found = []
        for manifest in self.folder.glob("*.json"):
            try:
                copy = self.find(manifest.stem)
            except PermanentError:
                continue
            if copy:
                found.append(copy)
        return sorted(found, key=lambda copy: (copy.at, copy.name), reverse=True)

    def need(self, name: str) -> Copy:
        """A copy that is there, and still the one that was made."""
        with suppress(FileNotFoundError):
            if copy := self.find(name):
                self.verify(copy)
                return copy
        raise PermanentError(
            f"there is no copy {name}", next_step="gonogo backup list shows which there are"
        )

    def verify(self, copy: Copy) -> None:
        """PermanentError unless the file is, bit for bit, the one that was copied."""
        if sha256(self.file(copy.name)) != copy.sha256:
            self.verified(copy, 0.0)
            raise PermanentError(
                f"copy {copy.name} was changed after it was made (sha256 differs)",
                next_step="use another copy",
            )

    def remove(self, name: str) -> None:
        """The file first: killed after that, a few bytes of manifest stay, which are no copy."""
        self.file(name).unlink(missing_ok=True)
        (self.folder / f"{name}.json").unlink(missing_ok=True)
        sync(self.folder)

    def sweep(self) -> None:
        """Remove what a killed process left."""
        for partial in self.folder.glob(".*.partial*"):
            partial.unlink(missing_ok=True)

    def need_space(self, size: int) -> None:
        """Refused before anything starts when the disk is too full."""
        free = shutil.disk_usage(self.folder).free
        if free < size:
            raise Refused(
                f"a copy of the database needs {size // 2**20} MB, and {free // 2**20} MB are free",
                next_step="make space on the disk",
            )

    def new_partial(self, name: str) -> Path:
        """An empty file, for the owner's eyes only."""
        path = self.folder / f".{self.file(name).name}.{secrets.token_hex(6)}.partial"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return path

    def keep(
        self, partial: Path, *, name: str, at: float, fingerprint: str, rows: dict[str, int]
    ) -> Copy:
        """Make a checked partial file the copy."""
        sync(partial)
        copy = Copy(
            name=name,
            at=at,
            size=partial.stat().st_size,
            sha256=sha256(partial),
            fingerprint=fingerprint,
            rows=rows,
            verified=at,
        )
        os.replace(partial, self.file(name))
        sync(self.folder)
        return self._note(copy)

    def verified(self, copy: Copy, at: float) -> Copy:
        """Note when a copy was read back whole; 0: it was not what it had been.

        It is no loss when a process that sweeps at this moment takes the note away.
        """
        seen = replace(copy, verified=at)
        with suppress(FileNotFoundError):
            self._note(seen)
        return seen

    def _note(self, copy: Copy) -> Copy:
        unfinished = self.new_partial(copy.name)
        unfinished.write_text(json.dumps(asdict(copy), indent=2, sort_keys=True) + "\n", "utf-8")
        sync(unfinished)
        os.replace(unfinished, self.folder / f"{copy.name}.json")
        sync(self.folder)
        return copy


def sha256(path: Path) -> str:
    """The sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Releases as folders: a commit exported from git, built once, kept until it is removed.

A release is built in the folder it will run from, not in one that is renamed afterwards: virtual
environments and the like write their own place into their scripts. What says that a release is
whole is the file `.gonogo-release.json`, written last; while it is made, `<id>.partial` lies beside
the folder, and what a killed run left is swept by the next.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gonogo.engines import _folders as folders
from gonogo.model.configuration import Command
from gonogo.model.errors import NotFound, PermanentError, Refused
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.ports import Completed, Host, Say, Workshop

MARKER = ".gonogo-release.json"
SPACE = 200 * 1024 * 1024
"""Bytes that must be free before a release is made."""

_PARTIAL = ".partial"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_GIT_TIMEOUT = 120.0


class Maker(Protocol):
    """Turns the files of a commit into something that runs: a built folder, or images."""

    def describe(self, release: Release) -> Sequence[Operation]:
        """What make will do."""

    async def make(self, release: Release, folder: Path, say: Say) -> None:
        """Build the files in folder. PermanentError, with the last lines, when that fails."""

    async def made(self, release_id: str) -> bool:
        """Whether what was made outside of the folder is there still."""

    async def run(
        self, release: Release, folder: Path, command: Command, *, timeout: float, say: Say
    ) -> Completed:
        """Run a command once in what was made."""

    async def places(self) -> Sequence[Path]:
        """Folders of this machine, other than the release's, that making a release fills."""

    async def size(self, release_id: str) -> int:
        """Bytes of what was made outside of the folder."""

    async def contents(self, release_id: str, folder: Path) -> Mapping[str, str]:
        """What was made, each part with its id or hash."""

    async def remove(self, release_id: str) -> None:
        """Remove what was made outside of the folder."""


class GitWorkshop:
    """Makes releases of project (a folder in a git repository) under root, on this machine."""

    def __init__(self, host: Host, root: str, project: str, maker: Maker) -> None:
        self._host = host
        self._root = Path(root)
        self._releases = Path(root) / "releases"
        self._project = Path(project)
        self._maker = maker

    def describe(self, release: Release) -> Sequence[Operation]:
        """What prepare will do."""
        place = f"releases/{release.id}"
        if release.dirty:
            export = f"copy the working tree (git ls-files -co --exclude-standard) to {place}"
        else:
            export = f"git archive {release.commit} to {place}"
        return [Operation(where="project", what=export), *self._maker.describe(release)]

    async def prepare(self, release: Release, say: Say) -> bool:
        """Export the commit and build it; False if that release was there already."""
        folder = self._folder(release.id)
        await asyncio.to_thread(self._sweep)
        if self._is_whole(folder):
            self._check_same(folder, release)
            if await self._maker.made(release.id):
                return False
            await self._check_space()
            await self._maker.make(release, folder, say)
            return True
        if folder.exists():
            raise PermanentError(
                f"releases/{release.id} is there, but gonogo did not make it",
                next_step="move that folder away",
            )
        await self._check_space()
        partial = self._partial(release.id)
        await asyncio.to_thread(folders.write_whole, partial, b"")
        try:
            await asyncio.to_thread(folder.mkdir, 0o700)
            await self._export(release, folder, say)
            await self._maker.make(release, folder, say)
            marker = {"id": release.id, "commit": release.commit, "dirty": release.dirty}
            content = json.dumps(marker, sort_keys=True).encode() + b"\n"
            await asyncio.to_thread(folders.write_whole, folder / MARKER, content)
        except BaseException:
            # Not to_thread: after a cancellation nothing more can be awaited for sure.
            folders.remove_tree(folder)
            partial.unlink(missing_ok=True)
            raise
        partial.unlink(missing_ok=True)
        return True

    async def prepared(self) -> Sequence[str]:
        """Ids of the releases that are there whole."""
        whole = await asyncio.to_thread(self._prepared)
        return [release_id for release_id in whole if await self._maker.made(release_id)]

    async def run(
        self,
        release: Release,
        command: Command,
        *,
        timeout: float,
        say: Say,
    ) -> Completed:
        """Run a command once in a release, with the application's variables."""
        folder = self._whole_folder(release.id)
        return await self._maker.run(release, folder, command, timeout=timeout, say=say)

    async def places(self) -> Sequence[str]:
        """Folders of this machine in which releases are made and kept."""
        folders_of = [self._root, *await self._maker.places()]
        return [str(one) for one in folders_of if one.is_dir()]

    async def size(self, release_id: str) -> int:
        """Bytes that a release takes at most; what releases share is counted in each."""
        files = await asyncio.to_thread(folders.size_of, self._folder(release_id))
        return files + await self._maker.size(release_id)

    async def contents(self, release_id: str) -> Mapping[str, str]:
        """What a release was made of, each part with its id or hash; empty when git says all."""
        return await self._maker.contents(release_id, self._whole_folder(release_id))

    async def remove(self, release_id: str) -> None:
        """Remove a release's files."""
        await self._maker.remove(release_id)
        await asyncio.to_thread(folders.remove_tree, self._folder(release_id))
        self._partial(release_id).unlink(missing_ok=True)

    async def publish(self, release_id: str) -> None:
        """Point the link `current` at a whole release, in one atomic step, and read it back."""
        self._whole_folder(release_id)
        await asyncio.to_thread(self._link, f"releases/{release_id}")

    def _link(self, place: str) -> None:
        current = self._root / "current"
        temporary = self._root / f".current-{secrets.token_hex(6)}"
        os.symlink(place, temporary)
        try:
            os.replace(temporary, current)
        except OSError as error:
            temporary.unlink()
            raise PermanentError(f"the link `current` cannot be made: {error.strerror}") from None
        found = os.readlink(current)
        if found != place:
            raise PermanentError(f"the link `current` names {found} instead of {place}")

    def _folder(self, release_id: str) -> Path:
        if not _SAFE.fullmatch(release_id) or release_id.endswith(_PARTIAL):
            raise PermanentError(f"not a release id: {release_id!r}")
        return self._releases / release_id

    def _partial(self, release_id: str) -> Path:
        return self._releases / f"{release_id}{_PARTIAL}"

    def _whole_folder(self, release_id: str) -> Path:
        folder = self._folder(release_id)
        if not self._is_whole(folder):
            raise NotFound(
                f"release {release_id} is not there",
                next_step="prepare it again, or choose a release that is kept",
            )
        return folder

    def _is_whole(self, folder: Path) -> bool:
        return (folder / MARKER).is_file()

    def _check_same(self, folder: Path, release: Release) -> None:
        marker = json.loads((folder / MARKER).read_text("utf-8"))
        if marker.get("commit") != release.commit:
            raise PermanentError(
                f"releases/{release.id} was made from commit {marker.get('commit')}, "
                f"not from {release.commit}"
            )

    def _prepared(self) -> list[str]:
        if not self._releases.is_dir():
            return []
        return sorted(each.name for each in self._releases.iterdir() if self._is_whole(each))

    def _sweep(self) -> None:
        """Remove what killed runs left half made or half removed."""
        self._releases.mkdir(mode=0o700, parents=True, exist_ok=True)
        for partial in self._releases.glob(f"*{_PARTIAL}"):
            folder = partial.with_name(partial.name.removesuffix(_PARTIAL))
            if not self._is_whole(folder):
                folders.remove_tree(folder)
            partial.unlink(missing_ok=True)
        folders.sweep_removed(self._releases)

    async def _check_space(self) -> None:
        for place in await self.places():
            free = shutil.disk_usage(place).free
            if free < SPACE:
                raise Refused(
                    f"only {free // 2**20} MB are free in {place}, "
                    f"and a build needs {SPACE // 2**20} MB",
                    next_step="gonogo cleanup shows what can go; or make space",
                )

    async def _export(self, release: Release, folder: Path, say: Say) -> None:
        if release.dirty:
            names = await self._git("ls-files", "-co", "--exclude-standard", cwd=self._project)
            await asyncio.to_thread(
                folders.copy_files, self._project, folder, _unquoted(names), self._root
            )
            return
        if release.commit.startswith("-"):
            raise PermanentError(f"not a commit: {release.commit!r}")
        place = await self._git("rev-parse", "--show-toplevel", "--show-prefix", cwd=self._project)
        top, prefix = Path(place[0]), place[1].rstrip("/") if len(place) > 1 else ""
        tree = f"{release.commit}:{prefix}" if prefix else release.commit
        archive = self._releases / f"{folders.REMOVED}{secrets.token_hex(6)}.tar"
        say(f"git archive {tree}")
        try:
            await self._git("archive", "--format=tar", f"--output={archive}", tree, cwd=top)
            await asyncio.to_thread(_unpack, archive, folder)
        finally:
            archive.unlink(missing_ok=True)

    async def _git(self, *arguments: str, cwd: Path) -> list[str]:
        lines: list[str] = []
        done = await self._host.run(
            ("git", "-c", "core.quotePath=true", *arguments),
            cwd=str(cwd),
            environment={},
            timeout=_GIT_TIMEOUT,
            say=lines.append,
        )
        if done.code != 0:
            raise PermanentError(f"git {arguments[0]} failed: {done.output.strip()}")
        return lines


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack a commit. PermanentError for a link that leads out of the release.

    Python's own filter for that is missing before 3.11.4, which Debian 12 still has.
    """
    with tarfile.open(archive) as tar:
        for member in tar:
            target = os.path.normpath(os.path.join(os.path.dirname(member.name), member.linkname))
            if member.issym() and (os.path.isabs(member.linkname) or target.startswith("..")):
                raise PermanentError(
                    f"a link leads out of the commit and is not exported: {member.name}"
                )
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        tar.extractall(folder)


def _unquoted(lines: list[str]) -> list[str]:
    return [folders.unquote(line) for line in lines if line]


FITS: type[Workshop] = GitWorkshop

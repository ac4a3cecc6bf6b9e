"""CommandMigrator on a workshop that runs real commands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from gonogo.hosts.local import LocalHost
from gonogo.migrators.command import CommandMigrator
from gonogo.model.configuration import Command, Duration, Migrations, Shell
from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.ports import Completed, Say


class FolderWorkshop:
    """A workshop whose releases are one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.timeouts: list[float] = []

    def describe(self, release: Release) -> Sequence[Operation]:
        return []

    async def prepare(self, release: Release, say: Say) -> bool:
        return False

    async def prepared(self) -> Sequence[str]:
        return ["r"]

    async def publish(self, release_id: str) -> None:
        pass

    async def remove(self, release_id: str) -> None:
        pass

    async def run(
        self,
        release: Release,
        command: Command,
        *,
        timeout: float,
        say: Say,
    ) -> Completed:
        self.timeouts.append(timeout)
        return await LocalHost().run(
            command, cwd=str(self.folder), environment={}, timeout=timeout, say=say
        )


RELEASE = Release(id="r", commit="a" * 40)


def migrator(folder: Path, command: Command, pending: Command | None = None) -> CommandMigrator:
    migrations = Migrations(command=command, pending=pending, timeout=Duration("400ms"))
    return CommandMigrator(migrations, FolderWorkshop(folder))


def test_describe_gives_the_command_line(tmp_path: Path) -> None:
    tools = (("migrate", "up now"), "migrate 'up now'"), (Shell(shell="a && b"), "a && b")
    for command, line in tools:
        operations = migrator(tmp_path, command).describe(RELEASE)
        assert operations == [Operation(where="release r", what=line)]


def test_pending_are_the_lines(tmp_path: Path) -> None:
    said: list[str] = []
    tool = migrator(tmp_path, ("true",), Shell(shell="echo 0001_a; echo; echo '  0002_b '"))
    assert asyncio.run(tool.pending(RELEASE, said.append)) == ["0001_a", "0002_b"]
    assert said == ["0001_a", "", "  0002_b "]
    assert asyncio.run(migrator(tmp_path, ("true",), ("true",)).pending(RELEASE, print)) == []
    assert asyncio.run(migrator(tmp_path, ("true",)).pending(RELEASE, print)) is None


def test_many_pending_are_all_seen(tmp_path: Path) -> None:
    tool = migrator(tmp_path, ("true",), ("seq", "1", "5000"))
    assert len(asyncio.run(tool.pending(RELEASE, lambda line: None)) or ()) == 5000


def test_a_failure_is_permanent_and_shows_the_last_lines(tmp_path: Path) -> None:
    bad = Shell(shell="seq 1 100; echo no such table: orders; exit 3")
    tool = migrator(tmp_path, bad, bad)
    for act in (tool.apply, tool.pending):
        with pytest.raises(PermanentError) as failure:
            asyncio.run(act(RELEASE, lambda line: None))
        assert "ended with 3" in failure.value.message
        assert failure.value.message.endswith("no such table: orders")
        assert "\n50\n" not in failure.value.message


def test_apply_answers_what_happened(tmp_path: Path) -> None:
    tool = migrator(tmp_path, Shell(shell="echo done > applied; echo applied 2"))
    done = asyncio.run(tool.apply(RELEASE, lambda line: None))
    assert (done.code, done.output) == (0, "applied 2\n")
    assert (tmp_path / "applied").exists()


def test_a_migration_that_takes_too_long_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="half migrated") as failure:
        asyncio.run(migrator(tmp_path, ("sleep", "30")).apply(RELEASE, lambda line: None))
    assert not isinstance(failure.value, TemporaryError)

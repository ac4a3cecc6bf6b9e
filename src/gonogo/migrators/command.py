"""Migrations by the team's own command, run in the release that brings them."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.model.configuration import Command, Migrations, written
from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.ports import Completed, Migrator, Say, Workshop

_PENDING_TIMEOUT = 120.0
_EXCERPT = 20


class CommandMigrator:
    """Runs the commands of the setting `migrations` in a release of the workshop."""

    def __init__(self, migrations: Migrations, workshop: Workshop) -> None:
        self._migrations = migrations
        self._workshop = workshop

    def describe(self, release: Release) -> Sequence[Operation]:
        """What apply will run."""
        where = f"release {release.id}"
        return [Operation(where=where, what=written(self._migrations.command))]

    async def pending(self, release: Release, say: Say) -> Sequence[str] | None:
        """Names of the migrations not yet applied; None when that cannot be found out."""
        command = self._migrations.pending
        if command is None:
            return None
        done = await self._workshop.run(release, command, timeout=_PENDING_TIMEOUT, say=say)
        if done.code != 0:
            raise _failed("looking for pending migrations failed", command, done)
        return [line.strip() for line in done.stdout.splitlines() if line.strip()]

    async def apply(self, release: Release, say: Say) -> Completed:
        """Apply them. Every failure is permanent: a migration is never simply tried again."""
        command = self._migrations.command
        timeout = seconds(self._migrations.timeout)
        try:
            done = await self._workshop.run(release, command, timeout=timeout, say=say)
        except TemporaryError as error:
            raise PermanentError(
                f"{error.message}; the schema may be half migrated",
                next_step="look at the schema before anything else",
            ) from error
        if done.code != 0:
            raise _failed("the migration failed", command, done)
        return done


def _failed(what: str, command: Command, done: Completed) -> PermanentError:
    last = "\n".join(done.output.splitlines()[-_EXCERPT:])
    return PermanentError(f"{what}: {written(command)} ended with {done.code}\n{last}".rstrip())


FITS: type[Migrator] = CommandMigrator

"""Builds a release in its folder with the team's own commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gonogo.engines.workshop import Maker
from gonogo.model.configuration import Build, Command, written
from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.plan import Operation
from gonogo.model.reference import filled_command
from gonogo.model.release import Release
from gonogo.model.secret import Secret
from gonogo.ports import Completed, Host, Say

_EXCERPT = 20


class FolderMaker:
    """Runs the commands of `build` in the release folder, where the release also runs later.

    environment_of gives the application's variables, resolved at the moment of use; facts has
    what `$url`, `$environment` and `$project` stand for.
    """

    def __init__(
        self,
        host: Host,
        build: Build,
        environment_of: Callable[[str], Mapping[str, str | Secret]],
        facts: Mapping[str, str],
    ) -> None:
        self._host = host
        self._build = build
        self._environment_of = environment_of
        self._facts = facts

    def describe(self, release: Release) -> Sequence[Operation]:
        """The commands."""
        place = f"releases/{release.id}"
        return [Operation(where=place, what=written(each)) for each in self._build.commands]

    async def make(self, release: Release, folder: Path, say: Say) -> None:
        """Run the commands one after the other, within the build's timeout together."""
        deadline = time.monotonic() + seconds(self._build.timeout)
        for command in self._build.commands:
            say(f"$ {written(command)}")
            left = max(0.1, deadline - time.monotonic())
            done = await self.run(release, folder, command, timeout=left, say=say)
            if done.code != 0:
                last = "\n".join(done.output.splitlines()[-_EXCERPT:])
                raise PermanentError(
                    f"the build failed: {written(command)} ended with {done.code}\n{last}".rstrip(),
                    next_step="correct it, commit, and deploy again",
                )

    async def made(self, release_id: str) -> bool:
        """Nothing is made outside of the folder."""
        return True

    async def run(
        self, release: Release, folder: Path, command: Command, *, timeout: float, say: Say
    ) -> Completed:
        """Run a command in the folder, with the application's variables."""
        environment = self._environment_of(release.id)
        values = {**self._facts, "release": release.id, **environment}
        return await self._host.run(
            filled_command(command, values, f"command {written(command)}"),
            cwd=str(folder),
            environment=environment,
            timeout=timeout,
            say=say,
        )

    async def places(self) -> Sequence[Path]:
        """None."""
        return ()

    async def size(self, release_id: str) -> int:
        """Nothing was made outside of the folder."""
        return 0

    async def contents(self, release_id: str, folder: Path) -> Mapping[str, str]:
        """The commit says all."""
        return {}

    async def remove(self, release_id: str) -> None:
        """Nothing was made outside of the folder."""


FITS: type[Maker] = FolderMaker

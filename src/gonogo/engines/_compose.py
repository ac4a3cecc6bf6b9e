"""Docker and Compose as command lines, run through the host; the only place that knows them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gonogo.engines import _compose_file as file
from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.secret import Secret
from gonogo.ports import Completed, Host, Say

DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""What Compose looks for, in its order."""

_OVERRIDES = ("compose.override", "docker-compose.override")
_SETTINGS = {"COMPOSE_IGNORE_ORPHANS": "1", "BUILDKIT_PROGRESS": "plain"}
_QUICK = 60.0
_RECENT = "10m"
_EXCERPT = 15
_LABELS = (file.SERVICE, file.RELEASE, file.NUMBER, file.VARIANT, file.PORT, file.GRACE)
_LISTED = (
    "{"
    + ", ".join(
        f'"{key}": {{{{json {value}}}}}'
        for key, value in (
            *(("state", ".State"), ("status", ".Status"), ("name", ".Names")),
            *((label, f'(.Label "{label}")') for label in _LABELS),
        )
    )
    + "}"
)
"""The format of `docker ps`: one JSON object a line."""
_STATE = '{"name": {{json .Name}}, "restarts": {{.RestartCount}}, "state": {{json .State}}}'
"""The format of `docker inspect`."""


def _silent(line: str) -> None:
    """Takes a line that nobody is to see."""


class Compose:
    """One compose project. files and profiles are the team's; project is the folder with them.

    environment_of gives the variables for a release, with which the files are filled in; flags may
    be named that win over them. root is
    where the files that gonogo derives from them lie for the moment they are used.
    """

    def __init__(
        self,
        host: Host,
        *,
        name: str,
        project: Path,
        root: Path,
        files: Sequence[str],
        profiles: Sequence[str],
        environment_of: Callable[..., Mapping[str, str | Secret]],
    ) -> None:
        self.name = name
        self.project = project
        self._host = host
        self._root = root
        self._files = files
        self._profiles = profiles
        self._environment_of = environment_of

    async def docker(
        self, *arguments: str, timeout: float = _QUICK, say: Say = _silent
    ) -> Completed:
        """Run docker."""
        return await self._run(("docker", *arguments), {}, timeout, say)

    async def model(
        self,
        folder: Path,
        release: str,
        flags: Mapping[str, str] | None = None,
        *,
        raw: bool = False,
    ) -> file.Json:
        """The team's files in a folder as one model, with the variables of a release put in.

        raw: as they are written, without.
        """
        how = ("--no-interpolate",) if raw else ()
        command = self._team(folder, "config", "--format", "json", *how)
        environment = self.environment_of(release, flags)
        done = await self._run(command, environment, _QUICK, _silent)
        if done.code != 0:
            raise failed("the compose files cannot be read", done)
        found: file.Json = json.loads(done.stdout)
        return found

    async def with_file(
        self,
        content: file.Json,
        *arguments: str,
        label: str,
        environment: Mapping[str, str | Secret],
        timeout: float = _QUICK,
        say: Say = _silent,
    ) -> Completed:
        """Run `docker compose` on a derived file, which is private and removed afterwards."""
        path = str(self._root / "compose" / f"{label}.json")
        await self._host.write(path, json.dumps(content, indent=1).encode())
        try:
            command = ("docker", "compose", "-p", self.name, "-f", path, *arguments)
            return await self._run(command, environment, timeout, say)
        finally:
            await self._host.remove(path)

    async def kept(self, *arguments: str, timeout: float, say: Say = _silent) -> Completed:
        """Run `docker compose` on the team's own files as they are in the project."""
        command = self._team(self.project, *arguments)
        return await self._run(command, self._environment_of(""), timeout, say)

    def environment_of(
        self, release: str, flags: Mapping[str, str] | None = None
    ) -> Mapping[str, str | Secret]:
        """The variables for a release."""
        return self._environment_of(release, flags)

    async def inspect(self, *filters: str) -> list[dict[str, Any]]:
        """What docker knows of the containers that fit."""
        flags = [part for one in filters for part in ("--filter", one)]
        listed = await self.docker("ps", "-aq", "--no-trunc", *flags)
        if listed.code != 0:
            raise failed("the containers cannot be listed", listed)
        ids = listed.stdout.split()
        if not ids:
            return []
        done = await self.docker("inspect", "--format", "{{json .}}", *ids)
        # One that was removed in between is missing: that is what is there now.
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    async def containers(self, *filters: str) -> list[dict[str, Any]]:
        """The containers that fit as `docker ps` shows them, with what they are labelled."""
        flags = [part for one in filters for part in ("--filter", one)]
        done = await self.docker("ps", "-a", "--no-trunc", *flags, "--format", _LISTED)
        if done.code != 0:
            raise failed("the containers cannot be listed", done)
        return [json.loads(line) for line in done.stdout.splitlines()]

    async def local(self) -> bool:
        """Whether the engine runs on this machine."""
        shown = ("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
        return (await self.docker(*shown)).stdout.startswith("unix://")

    async def data_root(self) -> Path | None:
        """Where docker keeps images and volumes; None when that is not on this machine."""
        if not await self.local():
            return None
        done = await self.docker("info", "--format", "{{.DockerRootDir}}")
        return _folder(done.stdout.strip())

    async def states(self, *names: str) -> dict[str, dict[str, Any]]:
        """By the names of containers, docker's `State` of each and how often it was restarted."""
        if not names:
            return {}
        said: list[str] = []
        words = ("inspect", "--type", "container", "--format", _STATE)
        await self.docker(*words, *names, say=said.append)
        # One that was removed in between is missing: that is what is there now.
        found = [json.loads(line) for line in said if line.startswith("{")]
        return {
            one["name"].removeprefix("/"): {**one["state"], "Restarts": one["restarts"]}
            for one in found
        }

    async def last_end(self, container: str) -> str:
        """Why a container ended last, which its state no longer tells once it is started again."""
        words = (
            "events",
            "--since",
            _RECENT,
            "--until",
            "0s",
            "--filter",
            f"container={container}",
        )
        form = '{{.Action}} {{index .Actor.Attributes "exitCode"}}'
        only = ("--filter", "event=oom", "--filter", "event=die", "--format", form)
        lines = (await self.docker(*words, *only)).stdout.splitlines()
        codes = [line.removeprefix("die ") for line in lines if line.startswith("die ")]
        if not codes:
            return ""
        # Docker tells of the two in either order.
        return "out of memory" if "oom " in lines[-2:] else f"exit status {codes[-1]}"

    def _team(self, folder: Path, *arguments: str) -> tuple[str, ...]:
        """A command on the team's own files in a folder."""
        chosen = self.files(folder)
        files = [part for path in chosen for part in ("-f", str(path))]
        profiles = [part for name in self._profiles for part in ("--profile", name)]
        place = ("--project-directory", str(chosen[0].parent))
        return ("docker", "compose", "-p", self.name, *files, *profiles, *place, *arguments)

    def files(self, folder: Path) -> list[Path]:
        """The team's compose files in a folder. PermanentError when there is none."""
        if self._files:
            return [folder / name for name in self._files]
        for name in DEFAULT_FILES:
            if (folder / name).is_file():
                also = [folder / f"{one}{Path(name).suffix}" for one in _OVERRIDES]
                return [folder / name, *(path for path in also if path.is_file())]
        raise PermanentError(
            f"there is no compose file in {folder}",
            next_step="name it in gonogo.yml: engine: {compose: {files: [path]}}",
        )

    async def _run(
        self,
        command: tuple[str, ...],
        environment: Mapping[str, str | Secret],
        timeout: float,
        say: Say,
    ) -> Completed:
        done = await self._host.run(
            command,
            cwd=str(self.project),
            environment={**environment, **_SETTINGS},
            timeout=timeout,
            say=say,
        )
        if done.code != 0 and "Cannot connect to the Docker daemon" in done.output:
            raise TemporaryError(
                "docker does not answer", next_step="docker info; then: systemctl start docker"
            )
        return done


def _folder(text: str) -> Path | None:
    path = Path(text)
    return path if path.is_absolute() and path.is_dir() else None


def failed(what: str, done: Completed) -> PermanentError:
    """The error for a command that failed, with its last lines."""
    last = "\n".join(done.output.splitlines()[-_EXCERPT:])
    return PermanentError(f"{what}\n{last}".rstrip())


def project_name(folder: Path, files: Sequence[str]) -> str:
    """The name Compose gives a project: COMPOSE_PROJECT_NAME, `name:`, or the folder's.

    COMPOSE_PROJECT_NAME in an env file is the caller's business.


    Source: https://docs.docker.com/compose/how-tos/project-name/
    """
    from gonogo.engines._compose_yaml import read

    if given := os.environ.get("COMPOSE_PROJECT_NAME"):
        return given
    for name in files or DEFAULT_FILES:
        path = folder / name
        if path.is_file():
            written = read(path).get("name")
            if isinstance(written, str):
                return written
            return _normal(path.parent.resolve().name)
    return _normal(folder.resolve().name)


def _normal(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "", text.lower()).lstrip("_-")

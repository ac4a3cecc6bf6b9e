"""The compose engine: instances are containers beside those of the team's compose project.

Each instance is a container of its own, derived from the team's service and named by service,
release and number; labels say the same. Nothing is ever recreated, renamed or counted: an
interrupted start is finished, an interrupted stop is done again.

Docker's own health check decides whether an instance may get traffic. The log of a container that
is removed is kept as logs/<name>.log (its last lines), since docker removes it with the container.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gonogo.engines import _compose_file as file
from gonogo.engines import _files
from gonogo.engines._compose import Compose, failed
from gonogo.engines.images import Images
from gonogo.model.configuration import Service
from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.model.target import Instance
from gonogo.ports import Engine

_UP = 180.0
_SPARE = 30.0
"""Seconds docker gets beyond the grace of a container before it counts as stuck."""
_YOUNG = re.compile(r"Up (Less than a second|[12] seconds?)\b")
"""The status of a container that has not lived for three seconds."""
_KEPT_LINES = 1000


class ComposeEngine:
    """Containers on the machine that docker talks to (ports.Engine).

    services_of gives the services as a release was configured, folder_of a release's files.
    """

    def __init__(
        self,
        compose: Compose,
        images: Images,
        *,
        logs: Path,
        services_of: Callable[[str], Mapping[str, Service]],
        folder_of: Callable[[str], Path],
    ) -> None:
        self._compose = compose
        self._images = images
        self._logs = logs
        self._services_of = services_of
        self._folder_of = folder_of

    def describe(self, verb: str, service: str, release: Release) -> Sequence[Operation]:
        """The command for each instance."""
        settings = self._service(service, release.id)
        made = []
        for number in range(1, settings.instances + 1):
            name = f"{self._compose.name}-{service}--{release.id}--{number}"
            if verb == "retire":
                grace = seconds(settings.stop_grace)
                what = f"docker stop -t {grace:g} {name} && docker rm -v {name}"
            else:
                what = f"docker compose up -d --no-deps --no-recreate ({name}, beside what runs)"
            made.append(Operation(where="docker", what=what))
        return made

    async def launch(self, service: str, release: Release, number: int) -> Instance:
        """Start a container, or finish a start that was interrupted; a dead one is made anew."""
        settings = self._service(service, release.id)
        model = await self._compose.model(self._folder_of(release.id), release.id)
        part = self._images.part(model, service, settings, release.id, number)
        there = await self._find(part.key)
        if there and there.state in ("failed", "stopped"):
            await self._remove(part.key)
        elif there and there.state != "created":
            return there
        done = await self._compose.with_file(
            file.release_file(model, part),
            *("up", "-d", "--no-deps", "--no-recreate", "--no-build", part.key),
            label=part.key,
            environment=self._images.environment(service, settings, release.id),
            timeout=_UP,
        )
        found = await self._find(part.key)
        if done.code != 0 or found is None:
            raise failed(f"{part.key} cannot be started", done)
        return found

    async def retire(self, instance: Instance) -> None:
        """Stop a container, with all of its grace, and remove it; done again, it does nothing."""
        there = [one for one in await self._containers() if _name(one) == instance.name]
        if not there:
            return
        await self._keep_log(instance)
        grace, name = float(there[0][file.GRACE]), self._name(instance.name)
        await self._compose.docker("stop", "-t", f"{grace:.0f}", name, timeout=grace + _SPARE)
        await self._remove(instance.name)

    async def observe(self) -> Sequence[Instance]:
        """Every container that carries our labels."""
        return [await self._instance(one) for one in await self._containers()]

    async def retired(self) -> Sequence[Instance]:
        """The last instance of each service that is gone and left a log."""
        there = {one.name for one in await self.observe()}
        newest: dict[str, Instance] = {}
        logs = [path for path in self._logs.glob("*--*.log") if path.stem not in there]
        for path in sorted(logs, key=lambda path: path.stat().st_mtime):
            service, release, number = path.stem.rsplit("--", 2)
            newest[service] = Instance(
                service=service, release=release, number=int(number), state="stopped"
            )
        return list(newest.values())

    async def log(self, instance: Instance, lines: int) -> str:
        """The last lines that a container wrote, also after it was removed."""
        done = await self._compose.docker("logs", "--tail", str(lines), self._name(instance.name))
        if done.code == 0:
            return done.output
        path = self._logs / f"{instance.name}.log"
        return await asyncio.to_thread(_files.last_lines, path, lines)

    def _service(self, name: str, release: str) -> Service:
        services = self._services_of(release)
        if name not in services:
            raise PermanentError(f"there is no service {name} in release {release}")
        return services[name]

    def _name(self, instance: str) -> str:
        return f"{self._compose.name}-{instance}"

    async def _containers(self) -> list[dict[str, Any]]:
        found = await self._compose.containers(
            f"label={file.PROJECT}={self._compose.name}", f"label={file.NUMBER}"
        )
        return sorted(found, key=_name)

    async def _find(self, name: str) -> Instance | None:
        found = [one for one in await self.observe() if one.name == name]
        return found[0] if found else None

    async def _remove(self, instance: str) -> None:
        """Remove a container and the volumes nobody named."""
        name = self._name(instance)
        done = await self._compose.docker("rm", "-f", "-v", name, timeout=_UP)
        if done.code != 0 and "No such container" not in done.output:
            raise failed(f"{name} cannot be removed", done)

    async def _keep_log(self, instance: Instance) -> None:
        text = await self.log(instance, _KEPT_LINES)
        if text:
            _files.private_folder(self._logs)
            _files.write(self._logs / f"{instance.name}.log", text.encode())

    async def _instance(self, container: dict[str, Any]) -> Instance:
        state, detail = judged(container["state"], container["status"])
        if state == "failed":
            name = self._name(_name(container))
            known = await self._compose.docker("inspect", "--format", "{{json .State}}", name)
            detail = reason(json.loads(known.stdout)) if known.code == 0 else detail
        port = int(container[file.PORT])
        return Instance(
            service=container[file.SERVICE],
            release=container[file.RELEASE],
            number=int(container[file.NUMBER]),
            state=state,
            address=f"{_name(container)}:{port}" if port else "",
            detail=detail,
            checked=True,
        )


def _name(container: dict[str, Any]) -> str:
    return f"{container[file.SERVICE]}--{container[file.RELEASE]}--{container[file.NUMBER]}"


def judged(state: str, status: str) -> tuple[str, str]:
    """State and detail of a container from the two words that `docker ps` has for it.

    One without a health check is starting until it has lived for a few seconds: nothing else tells
    that it works.
    """
    if state == "created":
        return "created", "its start was interrupted"
    if state == "removing":
        return "stopping", status
    if state in ("exited", "dead", "restarting") or "(unhealthy)" in status:
        return "failed", status
    young = _YOUNG.match(status) and "(healthy)" not in status
    if "(health: starting)" in status or young:
        return "starting", status
    return "running", status


def reason(state: dict[str, Any]) -> str:
    """Why a container does not work, from what docker knows of its state."""
    if state["Status"] == "running":
        log = (state.get("Health") or {}).get("Log") or []
        said = " ".join(log[-1]["Output"].split())[-200:] if log else ""
        return f"unhealthy: {said or 'its health check fails'}"
    why = "out of memory" if state["OOMKilled"] else f"exit status {state['ExitCode']}"
    return f"{state['Status']}, {why}" + (f": {state['Error']}" if state["Error"] else "")


FITS: type[Engine] = ComposeEngine

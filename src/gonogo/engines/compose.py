"""The compose engine: instances are containers beside those of the team's compose project.

Each instance is a container of its own, derived from the team's service and named by service,
release and number; labels say the same. Nothing is ever recreated, renamed or counted: an
interrupted start is finished, an interrupted stop is done again.

Docker's own health check decides whether an instance may get traffic. The log of a container that
is removed is kept as logs/<name>.log (its last lines), since docker removes it with the container.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gonogo.engines import _compose_file as file
from gonogo.engines._compose import Compose, failed
from gonogo.engines._compose_logs import ContainerLogs
from gonogo.engines._hidden import held
from gonogo.engines.images import Images
from gonogo.model.configuration import Service
from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.flag import AS_RELEASED, Readers, Variant
from gonogo.model.log import Log
from gonogo.model.plan import Operation
from gonogo.model.reference import plain, references
from gonogo.model.release import Release
from gonogo.model.target import Instance, instance_name
from gonogo.ports import Engine

_UP = 180.0
_SPARE = 30.0
"""Seconds docker gets beyond the grace of a container before it counts as stuck."""
_JUST_NOW = "Up Less than a second"
_YOUNG = re.compile(r"Up (Less than a second|[12] seconds?)\b")
"""The status of a container that has not lived for three seconds."""


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
        secrets_of: Callable[[str], Sequence[str]],
    ) -> None:
        self._compose = compose
        self._images = images
        self._logs = ContainerLogs(compose, logs)
        self._secrets_of = secrets_of
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

    async def launch(
        self, service: str, release: Release, number: int, variant: Variant = AS_RELEASED
    ) -> Instance:
        """Start a container, or finish a start that was interrupted; a dead one is made anew."""
        settings, flags = self._service(service, release.id), variant.variables
        model = await self._compose.model(self._folder_of(release.id), release.id, flags)
        part = self._images.part(model, service, settings, release.id, number, variant)
        there = await self._find(part.key)
        if there and there.state in ("failed", "stopped"):
            await self._remove(part.key)
        elif there and there.state != "created":
            return there
        environment = self._images.environment(service, settings, release.id, flags)
        secrets = held(self._secrets_of(release.id), map(plain, environment.values()))
        self._logs.remember(part.key, secrets)
        done = await self._compose.with_file(
            file.release_file(model, part),
            *("up", "-d", "--no-deps", "--no-recreate", "--no-build", part.key),
            label=part.key,
            environment=environment,
            timeout=_UP,
        )
        found = await self._find(part.key)
        if done.code != 0 or found is None:
            raise failed(f"{part.key} cannot be started", done)
        return found

    async def readers(self, variable: str, release: Release) -> Readers:
        """The released services whose part of the compose files or of gonogo.yml speaks of it."""
        folder, services = self._folder_of(release.id), self._services_of(release.id)
        model = await self._compose.model(folder, release.id)
        found = file.readers(
            model, await self._compose.model(folder, release.id, raw=True), variable
        )
        own = [
            name
            for name, one in services.items()
            if variable in (*self._images.extra, *one.environment, *references(one.environment))
        ]
        return Readers(
            services=[name for name in services if name in (*found.services, *own)],
            built=[name for name in services if name in found.built],
        )

    async def retire(self, instance: Instance) -> None:
        """Stop a container, with all of its grace, and remove it; done again, it does nothing."""
        there = [one for one in await self._containers() if _name(one) == instance.name]
        if not there:
            self._logs.forget(instance.name)
            return
        grace, name = float(there[0][file.GRACE]), self._name(instance.name)
        await self._compose.docker("stop", "-t", f"{grace:.0f}", name, timeout=grace + _SPARE)
        await self._logs.keep(instance.name, name)
        await self._remove(instance.name)
        self._logs.forget(instance.name)

    async def observe(self) -> Sequence[Instance]:
        """Every container that carries our labels."""
        listed = await self._containers()
        known = await self._compose.states(*(one["name"] for one in listed))
        found = [_instance(one, known.get(one["name"], {})) for one in listed]
        return [await self._with_end(one) if one.state == "failed" else one for one in found]

    async def _with_end(self, instance: Instance) -> Instance:
        """With the reason why it ended last, which only docker's events tell for sure."""
        if instance.detail.startswith("unhealthy"):
            return instance
        why = await self._compose.last_end(self._name(instance.name))
        if not why or why in instance.detail:
            return instance
        return replace(instance, detail=f"{why}, {instance.detail}")

    async def retired(self) -> Sequence[Instance]:
        """The last instance of each service that is gone and left a log."""
        there = {one.name for one in await self.observe()}
        newest: dict[str, Instance] = {}
        for name in self._logs.kept():
            if name not in there:
                instance = Instance.named(name, "stopped")
                newest[instance.service] = instance
        return list(newest.values())

    async def log(self, instance: Instance, lines: int) -> Log:
        """The last lines that a container wrote, also after it was removed."""
        return await self._logs.read(instance.name, self._name(instance.name), lines)

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


def _instance(container: dict[str, Any], known: dict[str, Any]) -> Instance:
    """An instance; known is what else docker knows of it, nothing if it is gone meanwhile.

    What was asked last counts: only then the reason fits, since docker forgets why a container
    ended as soon as it is started again.
    """
    now = known.get("Status", container["state"])
    restarts = known.get("Restarts", 0)
    status = container["status"] if now == container["state"] else _JUST_NOW
    state, detail = judged(now, status, restarts)
    if state == "failed" and known:
        detail = reason(known)
    port = int(container[file.PORT])
    return Instance(
        service=container[file.SERVICE],
        release=container[file.RELEASE],
        number=int(container[file.NUMBER]),
        state=state,
        address=f"{_name(container)}:{port}" if port else "",
        detail=detail + (f", restarted {times(restarts)}" if restarts else ""),
        checked=True,
        restarts=restarts,
        variant=container[file.VARIANT],
    )


def _name(container: dict[str, Any]) -> str:
    return instance_name(
        *(container[one] for one in (file.SERVICE, file.RELEASE, file.NUMBER, file.VARIANT))
    )


def judged(state: str, status: str, restarts: int = 0) -> tuple[str, str]:
    """State and detail of a container from the two words that `docker ps` has for it.

    One without a health check is starting until it has lived for a few seconds: nothing else tells
    that it works. One that docker has just started again does not.
    """
    if state == "created":
        return "created", "its start was interrupted"
    if state == "removing":
        return "stopping", status
    if state in ("exited", "dead", "restarting") or "(unhealthy)" in status:
        return "failed", status
    if "(health: starting)" in status:
        return "starting", status
    if _YOUNG.match(status) and "(healthy)" not in status:
        return "failed" if restarts else "starting", status
    return "running", status


def reason(state: dict[str, Any]) -> str:
    """Why a container does not work, from what docker knows of its state."""
    if state["Status"] == "running":
        if not state.get("Health"):
            return "it ended by itself"
        log = state["Health"].get("Log") or []
        said = _end(log[-1]["Output"]) if log else ""
        return f"unhealthy: {said or 'its health check fails'}"
    why = "out of memory" if state["OOMKilled"] else f"exit status {state['ExitCode']}"
    return f"{state['Status']}, {why}" + (f": {state['Error']}" if state["Error"] else "")


def _end(text: str) -> str:
    """The last words of a text. None is cut: the rest of a secret would not be known as one."""
    words, end = text.split(), ""
    while words and len(end) < 200:
        end = f"{words.pop()} {end}".rstrip()
    return end


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count} times"


FITS: type[Engine] = ComposeEngine

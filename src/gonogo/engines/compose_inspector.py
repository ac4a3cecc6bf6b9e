"""Looks at a Compose project and at the engine under it (ports.Inspector), and changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gonogo.engines import _compose_file as file
from gonogo.engines._compose import Compose
from gonogo.engines._compose_logs import logs
from gonogo.engines.compose import reason, times
from gonogo.engines.compose_foundation import COMPOSE, ENGINE, version
from gonogo.model.diagnosis import Diagnosis, Part, State
from gonogo.model.errors import GonogoError, PermanentError
from gonogo.model.log import Log
from gonogo.model.target import instance_name
from gonogo.ports import Completed, Inspector

_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = re.compile(r"([\d.]+)([kKMG]i?B|B)")
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"
_ONE_OFF = "com.docker.compose.oneoff"
_STATS = 30.0


class ComposeInspector:
    """services are those that are released; the others of the project are only kept."""

    def __init__(self, compose: Compose, services: Iterable[str]) -> None:
        self._compose = compose
        self._services = list(services)

    async def ground(self) -> Sequence[Diagnosis]:
        """The engine, Compose, and the team's files."""
        try:
            engine = await self._compose.docker("version", "--format", "{{.Server.Version}}")
            plugin = await self._compose.docker("compose", "version", "--short")
        except GonogoError as problem:
            return [_problem("docker", problem.message, problem.next_step)]
        for about, done, next_step in (
            ("docker", engine, _who_may(engine)),
            ("compose", plugin, "install docker-compose-plugin; v1 is not supported"),
        ):
            if done.code != 0:
                return [_problem(about, _last(done), next_step)]
        said = f"Docker {engine.stdout.strip()}, Compose {plugin.stdout.strip()}"
        for what, done, oldest in (("docker", engine, ENGINE), ("compose", plugin, COMPOSE)):
            if version(done.stdout) < oldest:
                wanted = ".".join(map(str, oldest))
                return [_problem(what, said, f"install {what} {wanted} or newer")]
        return [Diagnosis(about="docker", state=State.OK, seen=said), await self._files()]

    async def _files(self) -> Diagnosis:
        try:
            model = await self._compose.model(self._compose.project, "")
        except PermanentError as problem:
            next_step = problem.next_step or "docker compose config"
            return _problem("compose files", problem.message, next_step)
        seen = f"readable, {len(model['services'])} services"
        return Diagnosis(about="compose files", state=State.OK, seen=seen)

    async def parts(self) -> Sequence[Part]:
        """Every container of the project, and each kept service that has none."""
        found = await self._compose.inspect(f"label={_PROJECT}={self._compose.name}")
        there = [one for one in found if _labels(one).get(_ONE_OFF) != "True"]
        running = [_name(one) for one in there if one["State"]["Status"] == "running"]
        usage = await self._usage(running)
        parts = [_part(one, usage.get(_name(one), {})) for one in there]
        model = await self._compose.model(self._compose.project, "")
        services = {one.service for one in parts}
        return [
            *sorted(parts, key=lambda part: part.name),
            *(
                Part(name=name, service=name, state="missing", detail="it has no container")
                for name in file.kept_services(model, self._services)
                if name not in services
            ),
        ]

    async def log(self, part: Part, lines: int) -> Log:
        """The last lines of a container."""
        return await logs(self._compose, part.name, lines) or Log()

    async def address(self, host: str) -> str:
        """The address of a container of the project, by the name of its service."""
        if not await self._compose.local():
            return ""
        project, service = f"label={_PROJECT}={self._compose.name}", f"label={_SERVICE}={host}"
        for one in await self._compose.inspect(project, service, "status=running"):
            for network in one["NetworkSettings"]["Networks"].values():
                if network["IPAddress"]:
                    return str(network["IPAddress"])
        return ""

    async def _usage(self, names: Sequence[str]) -> Mapping[str, dict[str, str]]:
        """What `docker stats` says of running containers, by their names."""
        if not names:
            return {}
        shown = ("stats", "--no-stream", "--format", "{{json .}}")
        done = await self._compose.docker(*shown, *names, timeout=_STATS)
        found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return {one["Name"]: one for one in found}


def _part(container: dict[str, Any], usage: Mapping[str, str]) -> Part:
    labels, restarts = _labels(container), container["RestartCount"]
    state, judged = _judged(container)
    detail = [judged, f"restarted {times(restarts)}" if restarts else ""]
    memory, _, limit = usage.get("MemUsage", "").partition(" / ")
    own = (container.get("HostConfig") or {}).get("Memory")
    return Part(
        name=_name(container),
        service=labels.get(file.SERVICE) or labels.get(_SERVICE, ""),
        state=state,
        detail=", ".join(filter(None, detail)),
        instance=_instance(labels),
        look=f"docker logs --tail 100 {_name(container)}",
        restarts=restarts,
        cpu=_percent(usage.get("CPUPerc", "")),
        memory=_bytes(memory),
        limit=_bytes(limit) if own else None,
    )


def _judged(container: dict[str, Any]) -> tuple[str, str]:
    """State and detail of a container, from what docker knows of it."""
    state = container["State"]
    health = (state.get("Health") or {}).get("Status", "")
    if state["Status"] == "running" and health != "unhealthy":
        return ("starting" if health == "starting" else "running"), health
    if state["Status"] == "exited" and state["ExitCode"] == 0:
        policy = (container.get("HostConfig") or {}).get("RestartPolicy") or {}
        kept = policy.get("Name") not in ("", "no", None)
        return ("stopped" if kept else "ended"), "exit status 0"
    return "failed", reason(state)


def _instance(labels: Mapping[str, str]) -> str:
    """The name of the instance that has these labels; empty when they are of none."""
    parts = [labels.get(one, "") for one in (file.SERVICE, file.RELEASE, file.NUMBER, file.VARIANT)]
    return instance_name(parts[0], parts[1], int(parts[2]), parts[3]) if parts[2] else ""


def _labels(container: dict[str, Any]) -> dict[str, str]:
    return container["Config"]["Labels"] or {}


def _name(container: dict[str, Any]) -> str:
    return str(container["Name"]).removeprefix("/")


def _percent(text: str) -> float | None:
    number = text.removesuffix("%")
    return float(number) if re.fullmatch(r"[\d.]+", number) else None


def _bytes(text: str) -> int | None:
    match = _SIZE.fullmatch(text.strip())
    return round(float(match[1]) * _UNITS[match[2]]) if match else None


def _problem(about: str, seen: str, next_step: str) -> Diagnosis:
    return Diagnosis(about=about, state=State.PROBLEM, seen=seen, next=next_step)


def _who_may(done: Completed) -> str:
    if "permission denied" in done.output:
        return "sudo usermod -aG docker $USER, then sign in again"
    return "docker info"


def _last(done: Completed) -> str:
    lines = done.output.strip().splitlines() or [f"docker ended with {done.code}"]
    return lines[-1]


FITS: type[Inspector] = ComposeInspector

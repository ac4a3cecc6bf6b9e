"""The compose engine's foundation: what the team runs beside its application, and the proxy.

Services that `gonogo.yml` does not name under `services` (database, cache) are started as
`docker compose up` would start them, waited for, and never recreated. The proxy is one more
container of the project; it takes over the ports of the services and their names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from gonogo.engines import _compose_file as file
from gonogo.engines import _files
from gonogo.engines._compose import Compose, failed
from gonogo.engines._compose_preflight import objections, places
from gonogo.model.configuration import Service, Watch
from gonogo.model.errors import PermanentError
from gonogo.model.target import Objection
from gonogo.ports import Clock, Completed, Foundation
from gonogo.ports import Proxy as AnyProxy

ENGINE, COMPOSE = (20, 10), (2, 20)
"""The oldest versions that will do: for --wait-timeout, and names of containers on networks."""
_WAIT = 300
_ANSWERS_WITHIN = 15.0
_APPLIED = "applied"
"""In the proxy's folder: the hash of the files it last read."""
_SERVICE = "com.docker.compose.service"
_CONFIG, _KIND = "gonogo.config", "gonogo.proxy"
"""The labels with the hash of how the proxy was started, and with its name."""


class Sidecar(Protocol):
    """The proxy's container: folder is mounted at place, files are written before it starts.

    When only files change, the docker command renew makes it read them again.
    """

    @property
    def kind(self) -> str: ...

    @property
    def image(self) -> str: ...

    @property
    def user(self) -> str: ...

    @property
    def command(self) -> Sequence[str]: ...

    @property
    def folder(self) -> Path: ...

    @property
    def place(self) -> str: ...

    @property
    def dns(self) -> Sequence[str]: ...

    @property
    def files(self) -> Mapping[Path, bytes]: ...

    @property
    def renew(self) -> Sequence[str]: ...

    @property
    def tmpfs(self) -> Sequence[str]: ...


class Proxy(AnyProxy, Protocol):
    """What the foundation asks of the proxy it runs."""

    def container(self) -> Sidecar:
        """How it is run now."""

    async def answers(self) -> bool:
        """Whether it runs and can be talked to."""


class ComposeFoundation:
    """The kept services and the proxy (ports.Foundation).

    services are those that are released, and watch the window after a release, as configured.
    proxy_of gives another proxy by its name, which may be the one that still runs.
    """

    def __init__(
        self,
        compose: Compose,
        *,
        services: Mapping[str, Service],
        watch: Watch | None,
        proxy: Proxy,
        proxy_of: Callable[[str], Proxy],
        clock: Clock,
    ) -> None:
        self._compose = compose
        self._services = services
        self._ports = {name: one.port for name, one in services.items() if one.port}
        self._watch = watch
        self._proxy = proxy
        self._proxy_of = proxy_of
        self._clock = clock

    async def up(self) -> None:
        """Start what does not run; nothing that runs is recreated, but for a changed proxy."""
        model = await self._compose.model(self._compose.project, "")
        if strangers := await self._strangers():
            problem = _in_the_way(strangers, self._compose.name)
            raise PermanentError(problem.text, next_step=problem.mend)
        kept = file.kept_services(model, self._services)
        if kept:
            flags = ("up", "-d", "--no-recreate", "--no-build", "--no-deps", "--wait")
            done = await self._compose.kept(
                *flags, "--wait-timeout", str(_WAIT), *kept, timeout=_WAIT + 60.0
            )
            if done.code != 0:
                raise failed(f"{', '.join(kept)} cannot be started", done)
        if self._ports:
            await self._start_proxy(model)

    async def down(self, *, everything: bool = False) -> None:
        """Stop the proxy, and with everything also the kept services. No data is touched."""
        done = await self._compose.docker("rm", "-f", self._proxy_name)
        if done.code != 0 and "No such container" not in done.output:
            raise failed(f"{self._proxy_name} cannot be removed", done)
        if everything:
            model = await self._compose.model(self._compose.project, "")
            kept = file.kept_services(model, self._services)
            stopped = await self._compose.kept("stop", *kept, timeout=_WAIT) if kept else done
            if stopped.code != 0:
                raise failed(f"{', '.join(kept)} cannot be stopped", stopped)

    async def running(self) -> bool:
        """Whether the kept services run, healthy, and the proxy as it would be started now."""
        model = await self._compose.model(self._compose.project, "")
        well = {
            one["Config"]["Labels"][_SERVICE]: one["Config"]["Labels"]
            for one in await self._running_containers()
            if (one["State"].get("Health") or {"Status": "healthy"})["Status"] == "healthy"
        }
        if any(name not in well for name in file.kept_services(model, self._services)):
            return False
        if not self._ports:
            return True
        sidecar = self._proxy.container()
        same = well.get(file.PROXY, {}).get(_CONFIG) == _hash(self._proxy_file(model, sidecar))
        return same and _applied(sidecar) and await self._proxy.answers()

    async def objections(self) -> Sequence[Objection]:
        """What in the compose files, in docker itself or among its containers is in the way."""
        if old := await self._too_old():
            return [old]
        model = await self._compose.model(self._compose.project, "")
        place = places(self._compose.files(self._compose.project), self._compose.project)
        found = objections(model, self._services, self._watch, place)
        strangers = await self._strangers()
        return [*found, _in_the_way(strangers, self._compose.name)] if strangers else found

    async def reach(self, service: str) -> str:
        """Where this machine reaches a service through the proxy: published, or in its network."""
        model = await self._compose.model(self._compose.project, "")
        if there := file.published(model, service, self._ports[service]):
            return f"http://{there}"
        networks = [
            one["NetworkSettings"]["Networks"]
            for one in await self._running_containers()
            if one["Config"]["Labels"][_SERVICE] == file.PROXY
        ]
        addresses = [each["IPAddress"] for one in networks for each in one.values()]
        return f"http://{addresses[0]}:{self._ports[service]}" if addresses else ""

    async def inside(self, *command: str) -> Completed:
        """Run a command in the container of the proxy."""
        return await self._compose.docker("exec", self._proxy_name, *command)

    async def _start_proxy(self, model: file.Json) -> None:
        """Start it, or have it read its files again, and wait until it answers.

        The routes of another kind of proxy, in whose place it comes, are given to it.
        """
        sidecar = self._proxy.container()
        applied = _applied(sidecar)
        before = await self._proxy_running()
        former = self._former(before, sidecar.kind)
        routes = await former.observe() if former else {}
        note = await former.maintenance() if former else ""
        for path, written in sidecar.files.items():
            _files.private_folder(path.parent)
            _files.write(path, written)
        content = self._proxy_file(model, sidecar)
        content["services"][file.PROXY]["labels"][_CONFIG] = _hash(content)
        done = await self._compose.with_file(
            content,
            *("up", "-d", "--no-deps", "--wait", "--wait-timeout", "60", file.PROXY),
            label=file.PROXY,
            environment={},
            timeout=120.0,
        )
        if done.code != 0:
            raise failed("the proxy cannot be started", done)
        if not applied and before.keys() & (await self._proxy_running()).keys():
            await self._compose.docker(*sidecar.renew, self._proxy_name)
        until = self._clock.now() + _ANSWERS_WITHIN
        while not await self._proxy.answers():
            if self._clock.now() > until:
                logs = await self._compose.docker("logs", "--tail", "10", self._proxy_name)
                raise failed("the proxy does not answer", logs)
            await self._clock.sleep(0.1)
        if note:
            await self._proxy.maintain(note)
        for service in sorted(set(routes) & set(self._ports)):
            addresses = routes[service]
            await self._proxy.point(service, _release(service, addresses[0]), addresses)
        # Only now: an interrupted start must be done again.
        _files.write(sidecar.folder / _APPLIED, _files_hash(sidecar).encode())

    @property
    def _proxy_name(self) -> str:
        return f"{self._compose.name}-{file.PROXY}"

    def _proxy_file(self, model: file.Json, sidecar: Sidecar) -> file.Json:
        container = {
            "image": sidecar.image,
            "user": sidecar.user,
            "command": list(sidecar.command),
            "dns": list(sidecar.dns),
            "tmpfs": list(sidecar.tmpfs),
            "volumes": [{"type": "bind", "source": str(sidecar.folder), "target": sidecar.place}],
        }
        made = file.proxy_file(model, container, self._ports)
        made["services"][file.PROXY]["labels"][_KIND] = sidecar.kind
        return made

    async def _proxy_running(self) -> Mapping[str, Mapping[str, str]]:
        """The proxy's container, if one runs: its labels by its id."""
        found = {one["Id"]: one["Config"]["Labels"] for one in await self._running_containers()}
        return {id: labels for id, labels in found.items() if labels[_SERVICE] == file.PROXY}

    def _former(self, running: Mapping[str, Mapping[str, str]], kind: str) -> Proxy | None:
        """The proxy that runs, when it is another kind."""
        kinds = {labels.get(_KIND, kind) for labels in running.values()} - {kind}
        return self._proxy_of(kinds.pop()) if kinds else None

    async def _strangers(self) -> list[str]:
        """Services of which docker compose itself started containers: they hold the ports."""
        labels = [one["Config"]["Labels"] for one in await self._running_containers()]
        names = {one[_SERVICE] for one in labels if file.NUMBER not in one}
        return sorted(names & set(self._services))

    async def _too_old(self) -> Objection | None:
        """The engine or Compose, when it cannot do what gonogo needs."""
        engine = await self._compose.docker("version", "--format", "{{.Server.Version}}")
        plugin = await self._compose.docker("compose", "version", "--short")
        if plugin.code != 0:
            text = "docker has no Compose v2"
            return Objection(text=text, mend="install docker-compose-plugin; v1 is not supported")
        for what, said, oldest in (
            ("the Docker engine", engine.stdout, ENGINE),
            ("Compose", plugin.stdout, COMPOSE),
        ):
            if version(said) < oldest:
                wanted = ".".join(map(str, oldest))
                text = f"{what} is version {said.strip() or 'unknown'}"
                return Objection(text=text, mend=f"install {wanted} or newer")
        return None

    async def _running_containers(self) -> list[dict[str, Any]]:
        return await self._compose.inspect(
            f"label=com.docker.compose.project={self._compose.name}", "status=running"
        )


def _in_the_way(strangers: Sequence[str], project: str) -> Objection:
    return Objection(
        text=f"{', '.join(strangers)}: run as docker compose started them, and hold the ports that "
        "the proxy takes over",
        mend=f"docker compose -p {project} rm --stop --force {' '.join(strangers)} (from then "
        "until the end of the deployment nobody is served)",
    )


def _release(service: str, address: str) -> str:
    """Of which release an instance is, by its name."""
    return address.removeprefix(f"{service}--").partition("--")[0]


def version(text: str) -> tuple[int, ...]:
    """The numbers of a version such as v2.26.1-4."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _hash(content: file.Json) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _files_hash(sidecar: Sidecar) -> str:
    whole = hashlib.sha256()
    for path, content in sorted(sidecar.files.items()):
        whole.update(str(path).encode() + b"\0" + content + b"\0")
    return whole.hexdigest()


def _applied(sidecar: Sidecar) -> bool:
    """Whether the proxy last read these files."""
    path = sidecar.folder / _APPLIED
    return path.exists() and path.read_text() == _files_hash(sidecar)


FITS: type[Foundation] = ComposeFoundation

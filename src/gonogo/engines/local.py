"""The local engine: instances are processes on this machine, kept running by Supervisor.

What an instance leaves on disk, in the order in which it is made, and removed the other way round:

    instances/<name>.json          its labels and its port: the identity
    instances/<name>.launch        its command and environment, private, read at every start
    supervisor/programs/<name>.conf  how Supervisor runs it
    logs/<name>.log                stays

The launch file also says which of its values are secrets: they are taken out of what is shown of
the log.
A step that was interrupted leaves the labels, so that launch or retire can be done again.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gonogo.engines import _files, _processes, launcher
from gonogo.engines._hidden import held, hidden
from gonogo.engines._supervisord import ENDED, State, Supervisor, include_text
from gonogo.model.configuration import Command, Service, Shell
from gonogo.model.duration import seconds, spoken
from gonogo.model.errors import GonogoError, PermanentError, TemporaryError
from gonogo.model.flag import AS_RELEASED, Readers, Variant
from gonogo.model.log import Log
from gonogo.model.plan import Operation
from gonogo.model.reference import filled, filled_command, plain
from gonogo.model.release import Release
from gonogo.model.secret import Secret
from gonogo.model.target import Instance
from gonogo.ports import Clock

HOST = "127.0.0.1"
PORTS = range(20000, 30000)
"""Below the range from which the system takes ports for outgoing connections."""
_BASE = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The side file of an instance. port is 0 for a worker; grace is its stop_grace in seconds."""

    service: str
    release: str
    number: int
    port: int
    grace: float
    variant: str = ""

    def instance(self, state: str, detail: str) -> Instance:
        """The instance with these labels."""
        return Instance(
            service=self.service,
            release=self.release,
            number=self.number,
            state=state,
            address=f"{HOST}:{self.port}" if self.port else "",
            detail=detail,
            variant=self.variant,
        )


class LocalEngine:
    """Processes on this machine (ports.Engine).

    services_of gives the services as a release was configured, folder_of a release's folder.
    environment_of gives the variables of a release, with flags on top; a service's own
    `environment` comes on top of the others, with `${NAME}` put in from them, from PORT and HOST,
    and `$release`. facts has the others: url, environment, project. secrets_of gives what must not
    be seen of a release's variables.
    """

    def __init__(
        self,
        *,
        root: Path,
        services_of: Callable[[str], Mapping[str, Service]],
        folder_of: Callable[[str], str],
        environment_of: Callable[[str, Mapping[str, str]], Mapping[str, str | Secret]],
        secrets_of: Callable[[str], Sequence[str]],
        clock: Clock,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        self._root = root
        self._facts = facts or {}
        self._services_of = services_of
        self._folder_of = folder_of
        self._environment_of = environment_of
        self._secrets_of = secrets_of
        self._clock = clock
        self._folder = root / "instances"
        self._supervisor = Supervisor(root=root, clock=clock)

    def describe(self, verb: str, service: str, release: Release) -> Sequence[Operation]:
        """The command of each instance, references kept, or how each is stopped."""
        settings = self._service(service, release.id)
        names = [
            Instance(service=service, release=release.id, number=number, state="").name
            for number in range(1, settings.instances + 1)
        ]
        if verb == "retire":
            what = (
                f"SIGTERM, up to {spoken(seconds(settings.stop_grace))} to end, then SIGKILL; "
                "remove the program, keep its log"
            )
        else:
            command = shlex.join(_argv(_command(service, settings)))
            what = f"cd {shlex.quote(self._folder_of(release.id))} && {command}"
        return [Operation(where=f"this machine, program {name}", what=what) for name in names]

    async def launch(
        self, service: str, release: Release, number: int, variant: Variant = AS_RELEASED
    ) -> Instance:
        """Start an instance, or finish a start that was interrupted."""
        settings = self._service(service, release.id)
        instance = Instance(
            service=service,
            release=release.id,
            number=number,
            state="starting",
            variant=variant.id,
        )
        name = _checked(instance.name)
        state = (await self._supervisor.states()).get(name)
        labels = self._labels(name)
        there = (self._folder / f"{name}.launch").exists()
        if labels and there and state and state.state not in (*ENDED, "STOPPING"):
            self._supervisor.keep(name, self._include(name, labels.grace))
            return labels.instance(*self._judged(labels, state))
        reserved = labels or self._reserve(instance, settings)
        try:
            launch = self._launch_file(reserved, settings, variant.variables)
        except GonogoError:
            if labels is None:
                _files.remove(self._folder / f"{name}.json")
            raise
        labels = reserved
        _files.write(self._folder / f"{name}.launch", json.dumps(launch).encode())
        await self._supervisor.install(name, self._include(name, labels.grace))
        state = (await self._supervisor.states()).get(name)
        return labels.instance(*self._judged(labels, state))

    async def readers(self, variable: str, release: Release) -> Readers:
        """All services: each gets the variables of the environment."""
        return Readers(services=list(self._services_of(release.id)))

    async def retire(self, instance: Instance) -> None:
        """Stop an instance with all its processes and remove it; done again, it does nothing."""
        name = _checked(instance.name)
        labels = self._labels(name)
        grace = labels.grace if labels else self._grace(instance)
        begin = self._clock.now()
        known = False
        if await self._supervisor.answers():
            known = name in await self._supervisor.states()
            await self._supervisor.uninstall(name, grace)
        _files.remove(self._supervisor.include(name))
        # Supervisor waits only for the first process; what that one started gets the grace too.
        left = max(0.0, grace - (self._clock.now() - begin))
        await _processes.end(self._root, name, left, self._clock, ask=not known)
        _files.remove(self._folder / f"{name}.launch")
        _files.remove(self._folder / f"{name}.json")

    async def observe(self) -> Sequence[Instance]:
        """Side files joined with what Supervisor says; either alone is a leftover."""
        if not await self._supervisor.answers():
            return ()
        states = await self._supervisor.states()
        found = []
        for path in sorted(self._folder.glob("*.json")):
            labels = self._labels(path.stem)
            if labels:
                state = states.pop(path.stem, None)
                found.append(labels.instance(*self._judged(labels, state)))
        return [*found, *(_nameless(state) for state in states.values() if "--" in state.name)]

    async def retired(self) -> Sequence[Instance]:
        """The last instance of each service that is gone and left a log."""
        there = {one.name for one in await self.observe()}
        logs = [path for path in self._supervisor.kept_logs() if path.stem not in there]
        newest: dict[str, Instance] = {}
        for path in sorted(logs, key=lambda path: path.stat().st_mtime):
            instance = Instance.named(path.stem, "stopped")
            newest[instance.service] = instance
        return list(newest.values())

    async def log(self, instance: Instance, lines: int) -> Log:
        """The last lines that an instance wrote, also after it was retired.

        While it runs, without the secrets it was launched with: today's may be others.
        """
        path = self._supervisor.log(_checked(instance.name))
        log = Log.of(await asyncio.to_thread(_files.last_lines, path, lines))
        older = len(log.lines) >= lines or path.with_name(f"{path.name}.1").exists()
        return hidden(replace(log, cut=older), self._secrets(instance.name))

    def _secrets(self, name: str) -> Sequence[str]:
        try:
            launch = json.loads((self._folder / f"{name}.launch").read_bytes())
        except FileNotFoundError:
            return ()
        found: Sequence[str] = launch.get("secrets", ())
        return found

    def _service(self, name: str, release: str) -> Service:
        services = self._services_of(release)
        if name not in services:
            raise PermanentError(f"there is no service {name} in release {release}")
        return services[name]

    def _grace(self, instance: Instance) -> float:
        settings = self._services_of(instance.release).get(instance.service)
        return seconds(settings.stop_grace if settings else Service().stop_grace)

    def _labels(self, name: str) -> Labels | None:
        try:
            content = (self._folder / f"{name}.json").read_bytes()
        except FileNotFoundError:
            return None
        return Labels(**json.loads(content))

    def _reserve(self, instance: Instance, settings: Service) -> Labels:
        """Write the labels with a port that no other instance has. No await in here."""
        _files.private_folder(self._folder)
        with _files.locked(self._folder / ".lock"):
            services = self._services_of(instance.release)
            port = self._free_port(services) if settings.port else 0
            labels = Labels(
                service=instance.service,
                release=instance.release,
                number=instance.number,
                port=port,
                grace=seconds(settings.stop_grace),
                variant=instance.variant,
            )
            path = self._folder / f"{instance.name}.json"
            if not _files.create(path, json.dumps(asdict(labels)).encode()):
                raise TemporaryError(f"{instance.name} is being started by somebody else")
        return labels

    def _free_port(self, services: Mapping[str, Service]) -> int:
        """A port nobody has: none of ours, none of the services', and free to listen on.

        Each root starts at another place, because two roots cannot see each other's reservations.
        """
        kept = [self._labels(path.stem) for path in self._folder.glob("*.json")]
        taken = {labels.port for labels in kept if labels}
        taken |= {service.port for service in services.values() if service.port}
        first = int(_processes.root_key(self._root), 16) % len(PORTS)
        for step in range(len(PORTS)):
            port = PORTS[(first + step) % len(PORTS)]
            if port not in taken and _is_free(port):
                return port
        raise TemporaryError(f"no free port between {PORTS.start} and {PORTS.stop - 1}")

    def _launch_file(
        self, labels: Labels, settings: Service, flags: Mapping[str, str]
    ) -> dict[str, object]:
        given = dict(self._environment_of(labels.release, flags))
        own = {"PORT": str(labels.port), "HOST": HOST} if labels.port else {"HOST": HOST}
        facts = {**self._facts, "release": labels.release}
        values: dict[str, str | Secret] = {**facts, **given, **own}
        environment = {name: os.environ[name] for name in _BASE if name in os.environ}
        environment |= {name: plain(value) for name, value in given.items()}
        for name, text in settings.environment.items():
            environment[name] = filled(text, values, f"environment of {labels.service}: {name}")
        name = labels.instance("", "").name
        command = _command(labels.service, settings)
        where = f"command of {labels.service}"
        argv = _argv(filled_command(command, values, where))
        return {
            "secrets": held(self._secrets_of(labels.release), environment.values()),
            "folder": self._folder_of(labels.release),
            "argv": argv,
            "environment": {
                **environment,
                **flags,
                **own,
                _processes.MARK: _processes.mark(self._root, name),
            },
        }

    def _include(self, name: str, grace: float) -> str:
        launch = (self._folder / f"{name}.launch").absolute()
        return include_text(
            name=name,
            argv=[sys.executable, "-I", "-S", str(launcher.__file__), str(launch)],
            mark=_processes.mark(self._root, name),
            log=self._supervisor.log(name),
            grace=grace,
        )

    def _judged(self, labels: Labels, state: State | None) -> tuple[str, str]:
        """State and detail of an instance.

        What has a health path runs as soon as its process does, since health says the rest. Others
        are starting until they have lived for a while: nothing else tells that they work.
        """
        if state is None:
            return "stopped", "its start or stop was interrupted"
        if state.state in ("STARTING", "RUNNING"):
            service = self._services_of(labels.release).get(labels.service)
            runs = state.state == "RUNNING" or bool(service and service.port and service.health)
            up = spoken(max(0.0, state.now - state.started))
            return "running" if runs else "starting", f"pid {state.pid}, up {up}"
        if state.state in ("STOPPING", "STOPPED"):
            return state.state.lower(), f"pid {state.pid}" if state.pid else ""
        return "failed", self._exit_detail(state)

    def _exit_detail(self, state: State) -> str:
        """Why it is not running. In a back-off only Supervisor's log knows the exit status."""
        if state.state == "EXITED":
            return f"ended with exit status {state.exit_status}"
        text = _files.last_lines(self._supervisor.folder / "supervisord.log", 200)
        told = [line for line in text.splitlines() if f"exited: {state.name} (" in line]
        reason = told[-1].partition(f"exited: {state.name} ")[2] if told else state.problem
        return f"ended at once, is started again: {reason}"


def _command(service: str, settings: Service) -> Command:
    if settings.command is None:
        raise PermanentError(f"service {service} has no command")
    return settings.command


def _argv(command: Command) -> list[str]:
    return ["sh", "-c", command.shell] if isinstance(command, Shell) else list(command)


def _checked(name: str) -> str:
    """The name, if it can be a file's and a program's."""
    if not _NAME.fullmatch(name):
        raise PermanentError(f"not a name for an instance: {name!r}")
    return name


def _nameless(state: State) -> Instance:
    """A program whose labels are gone: it is shown so that it can be retired."""
    return Instance.named(state.name, "failed", "its labels are missing")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
        except OSError:
            return False
    return True

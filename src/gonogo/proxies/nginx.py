"""nginx as the proxy of a Compose project: a file with the routes, replaced, and a reload.

The new file is tried by nginx itself (`nginx -t`) beside the one in force. After the reload new
workers take every new connection; the old ones end what is under way where it began. A switch is
done when all workers that take connections have the new route: until then an old instance may get
requests.

Connections to instances are not kept, and no request is sent twice.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.model.target import Counters
from gonogo.proxies import _maintenance
from gonogo.proxies._common import (
    ContainedProxy,
    Container,
    Surroundings,
    require_known,
    short,
    write,
)
from gonogo.proxies._nginx_config import (
    COUNTS,
    COUNTS_SIZE,
    LEAVING,
    PLACE,
    ROUTES,
    SOCKET,
    TRIAL,
    WORKERS,
    Route,
    counted,
    fingerprint,
    parse,
    parse_route,
    render,
    static,
)

IMAGE = "nginx:1.22"

_IN_FORCE_WITHIN = 20.0
_LEAVE_WITHIN = 1.5
"""By then a client who sends something each second has left."""
_ANSWERS_WITHIN = 5.0
_CONF, _TRIAL_CONF = "nginx.conf", "nginx-trial.conf"
_WORKER = "nginx: worker process"
_PROCESSES = ("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'")
_SIZES = ("sh", "-c", f"cd {COUNTS} && stat -f -c %a . && stat -c '%s %n' -- * 2>&1")


class NginxProxy:
    """Moves the traffic of services between instances (ports.Proxy)."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._folder = around.folder.absolute()
        self._ports = around.ports
        self._clock = around.clock

    def container(self) -> Container:
        """What the foundation keeps running; every service has a route after this.

        A socket that a killed nginx left would keep the next one from starting.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / LEAVING).unlink(missing_ok=True)
        none = dict.fromkeys(self._ports, Route())
        write(self._folder / ROUTES, render({**none, **self._written()}).encode())
        start = f"rm -f {PLACE}/{SOCKET}; exec nginx -c {PLACE}/{_CONF} -g 'daemon off;'"
        return Container(
            kind="nginx",
            image=self._around.image,
            command=("sh", "-c", start),
            folder=self._folder,
            place=PLACE,
            files={
                self._folder / _CONF: static(self._ports).encode(),
                self._folder / _TRIAL_CONF: static(self._ports, TRIAL).encode(),
                self._folder / _maintenance.PAGE: _maintenance.page(self._around.page),
            },
            renew=("kill", "-s", "HUP"),
            tmpfs=(f"{COUNTS}:size={COUNTS_SIZE},mode=1777",),
        )

    async def answers(self) -> bool:
        """Whether nginx runs, with the ports that the services have now."""
        with suppress(TemporaryError):
            return await self._ask("/") == fingerprint(self._ports)
        return False

    def describe(self, service: str, release: Release | None) -> Sequence[Operation]:
        """The file that is replaced, and the commands in the container."""
        whom = f"the instances of {service} {release.id}" if release else "nobody"
        what = (
            f"try, then replace {self._folder / ROUTES}: {service} to {whom}; "
            f"in gonogo-proxy: nginx -t, nginx -s reload; wait until no worker has the old route"
        )
        return [Operation(where="nginx", what=what)]

    async def point(self, service: str, release: str, addresses: Sequence[str]) -> None:
        """Replace the file, reload, and wait until every worker that takes connections has it.

        A reload closes kept connections. So that none is closed just when its client sends, clients
        who are busy are made to leave before, by an answer that ends their connection.
        """
        if service not in self._ports:
            raise PermanentError(f"service {service} has no port, so it gets no traffic")
        await require_known(self._around.inside, service, addresses)
        route = Route(release=release, addresses=tuple(sorted(addresses)))
        old = self._written()
        routes = {**old, service: route}
        await self._try(routes)
        write(self._folder / ROUTES, render(routes).encode())
        leaving = self._folder / LEAVING
        try:
            if await self._in_force(service) != route:
                leaving.touch()
                await self._clock.sleep(_LEAVE_WITHIN)
                await self._nginx("-s", "reload")
            await self._wait(service, route)
        finally:
            leaving.unlink(missing_ok=True)
        await self._forget(service, release, old.get(service, Route()).release)

    async def observe(self) -> Mapping[str, Sequence[str]]:
        """The addresses in force, and those that would be if nginx were started again.

        They differ after a kill in the middle of point(): then both count.
        """
        found = {name: set(route.addresses) for name, route in self._written().items()}
        with suppress(TemporaryError):
            for name in self._ports:
                found[name] = found.get(name, set()) | set((await self._in_force(name)).addresses)
        return {name: sorted(addresses) for name, addresses in found.items() if addresses}

    async def settled(self, service: str) -> bool:
        """Whether nginx has what is written; when it does not run, it will start with that."""
        written = self._written().get(service, Route())
        try:
            return not await self._amiss(service, written)
        except TemporaryError:
            return True

    async def maintain(self, note: str) -> None:
        """Write the note, or remove it: nginx looks for it at every request."""
        _maintenance.note(self._folder, note)

    async def maintenance(self) -> str:
        """The note of the maintenance that is on; empty when users are served."""
        return _maintenance.noted(self._folder)

    async def url(self, service: str) -> str:
        """Where this machine reaches a service through nginx; empty when it cannot."""
        return await self._around.reach(service)

    async def counters(self, service: str, release: str) -> Counters | None:
        """What was counted since nginx was started; None when it does not run or has no room."""
        sizes = await self._sizes()
        return None if sizes is None else counted(sizes, service, release)

    async def _forget(self, service: str, *releases: str) -> None:
        """Remove what was counted for a service in other releases, so that there is room."""
        kept = tuple(f"{service}:{release}:" for release in releases)
        sizes = (await self._sizes()) or {}
        old = [one for one in sizes if one.startswith(f"{service}:") and not one.startswith(kept)]
        if old:
            await self._around.inside("rm", "-f", *(f"{COUNTS}/{one}" for one in old))

    async def _sizes(self) -> Mapping[str, int] | None:
        """What has been counted, by the names of the files; None when nobody knows."""
        done = await self._around.inside(*_SIZES)
        room, *lines = done.stdout.splitlines() or [""]
        if not room.isdigit() or not int(room):
            return None
        rows = (line.split(" ", 1) for line in lines)
        return {row[1]: int(row[0]) for row in rows if row[0].isdigit()}

    async def _try(self, routes: Mapping[str, Route]) -> None:
        write(self._folder / TRIAL, render(routes).encode())
        await self._nginx("-t", "-q", conf=_TRIAL_CONF)

    async def _wait(self, service: str, route: Route) -> None:
        until = self._clock.now() + _IN_FORCE_WITHIN
        while amiss := await self._amiss(service, route):
            if self._clock.now() >= until:
                raise TemporaryError(
                    f"the new route of {service} is not in force after {_IN_FORCE_WITHIN:.0f} s: "
                    f"{amiss}",
                    next_step="look at the log of the container gonogo-proxy",
                )
            await self._clock.sleep(0.05)

    async def _nginx(self, *words: str, conf: str = _CONF) -> None:
        done = await self._around.inside("nginx", "-c", f"{PLACE}/{conf}", *words)
        if done.code != 0:
            raise TemporaryError(
                f"nginx {' '.join(words)} failed: {done.output.strip()[-1000:]}",
                next_step="gonogo start, if gonogo-proxy does not run",
            )

    async def _amiss(self, service: str, wanted: Route) -> str:
        """What is not as it should be; empty when every worker that takes connections has it."""
        now = await self._in_force(service)
        if now != wanted:
            return f"in force is {', '.join(now.addresses) or 'none'}"
        processes = (await self._around.inside(*_PROCESSES)).stdout.splitlines()
        workers = processes.count(_WORKER)
        return "" if workers == WORKERS else f"{workers} workers take connections"

    async def _in_force(self, service: str) -> Route:
        return parse_route(json.loads(await self._ask(f"/{service}")))

    async def _ask(self, path: str) -> str:
        try:
            return await asyncio.to_thread(_fetch, self._folder, path)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise TemporaryError(
                f"nginx does not answer: {problem}",
                next_step="look at the log of the container gonogo-proxy",
            ) from problem

    def _written(self) -> dict[str, Route]:
        path = self._folder / ROUTES
        return parse(path.read_text()) if path.exists() else {}


def _fetch(folder: Path, path: str) -> str:
    with short(folder) as where, socket.socket(socket.AF_UNIX) as one:
        one.settimeout(_ANSWERS_WITHIN)
        one.connect(f"{where}/{SOCKET}")
        connection = http.client.HTTPConnection("nginx")
        connection.sock = one
        connection.request("GET", path, headers={"connection": "close"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"it has nothing to say about {path}")
        return answer.read().decode()


CONTAINED: type[ContainedProxy] = NginxProxy

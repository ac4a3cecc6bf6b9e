"""HAProxy as the proxy of a Compose project: instances put into slots by its runtime API.

Each service has an entry on its own port and a backend with slots. A new release's instances are
put into free slots by their names, which the engine resolves; once they are, their slots get the
traffic and the old ones no new request. Nothing is reloaded: requests under way end where they
began, and clients' connections stay open. What is told to HAProxy is written to its configuration
before, by name, so that it comes back with the same routes.

Counted is what users got, also the errors that HAProxy itself answers, in a stick table: its
statistics have no distribution of durations, and leave failures out. A duration goes from the
request's head to the answer's. A release's numbers are the service's, less what they were when it
got the traffic: a request counts for the release that has the traffic when it is answered. A log of
requests was not chosen: it may lose lines, and would have to be read again at every look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.model.target import Counters
from gonogo.proxies._common import BUCKETS, ContainedProxy, Container, Surroundings, write
from gonogo.proxies._haproxy_config import (
    CLOSED,
    ON,
    PLACE,
    SOCKET,
    Route,
    Totals,
    fingerprint,
    parse,
    render,
    static,
)
from gonogo.proxies._haproxy_runtime import Runtime, Server
from gonogo.proxies._maintenance import PAGE, noted, page
from gonogo.proxies._maintenance import note as keep_note

Places = dict[str, str]
"""By the names of slots, the addresses in them."""
Look = Callable[[Sequence[Server], Places], str]

IMAGE = "haproxy:2.6"

_IN_FORCE_WITHIN = 10.0


class HaproxyProxy:
    """Moves the traffic of services between instances (ports.Proxy)."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._folder = around.folder.absolute()
        self._routes = self._folder / "routes"
        self._ports = around.ports
        self._clock = around.clock
        self._runtime = Runtime(self._folder)

    def container(self) -> Container:
        """What the foundation keeps running; every service has a route file after this."""
        for folder in (self._folder, self._routes):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for service in self._ports:
            self._write(service, self._written().get(service, Route()))
        self._write_closed()
        command = ("haproxy", "-W", "-db", "-f", f"{PLACE}/haproxy.cfg", "-f", f"{PLACE}/routes")
        return Container(
            kind="haproxy",
            image=self._around.image,
            command=command,
            folder=self._folder,
            place=PLACE,
            files={
                self._folder / "haproxy.cfg": static(self._ports).encode(),
                self._folder / PAGE: page(self._around.page),
            },
            renew=("kill", "-s", "USR2"),
        )

    async def answers(self) -> bool:
        """Whether HAProxy runs, with the ports that the services have now."""
        try:
            info = await self._runtime.info()
        except TemporaryError:
            return False
        return info.get("description") == fingerprint(self._ports)

    def describe(self, service: str, release: Release | None) -> Sequence[Operation]:
        """What is told to HAProxy, and the file that is replaced."""
        socket, path = self._folder / SOCKET, self._path(service)
        whom = f"the instances of {service} {release.id}" if release else "nobody"
        what = (
            f"through {socket}: the slots of {service} to {whom}, the others drain; "
            f"replace {path} before; read back"
        )
        return [Operation(where="haproxy", what=what)]

    async def point(self, service: str, release: str, addresses: Sequence[str]) -> None:
        """Put the addresses into slots, write that down, switch, and read back.

        Until every name is resolved, nothing changes that anybody would notice.
        """
        until = self._clock.now() + _IN_FORCE_WITHIN
        servers = await self._servers(service)
        places = _places(servers, addresses)
        try:
            await self._runtime.tell(_fill(service, servers, places))
            await self._wait(service, places, _unresolved, until)
            servers = await self._servers(service)
            self._write(service, await self._route(service, release, servers, places))
            await self._runtime.tell(_switch(service, servers, places))
            await self._wait(service, places, _not_in_force, until)
        finally:
            await self._park(service)

    async def observe(self) -> Mapping[str, Sequence[str]]:
        """The addresses in force, and those that would be if HAProxy were started again.

        They differ after a kill in the middle of point(): then both count.
        """
        found = {name: set(route.servers.values()) for name, route in self._written().items()}
        with suppress(TemporaryError):
            for name, servers in (await self._runtime.servers()).items():
                now = {one.address for one in servers if one.in_force}
                found[name] = found.get(name, set()) | now
        return {name: sorted(addresses) for name, addresses in found.items() if addresses}

    async def settled(self, service: str) -> bool:
        """Whether HAProxy has what is written; when it does not run, it will start with that."""
        written = self._written().get(service, Route()).servers.values()
        try:
            servers = (await self._runtime.servers()).get(service, ())
        except TemporaryError:
            return True
        return sorted(one.address for one in servers if one.in_force) == sorted(written)

    async def maintain(self, note: str) -> None:
        """Write the note and the map that HAProxy starts with, tell it, and read back."""
        keep_note(self._folder, note)
        self._write_closed()
        await self._runtime.close(bool(note))
        if await self._runtime.closed() != bool(note):
            raise TemporaryError(
                "HAProxy does not take the maintenance over",
                next_step="look at the log of the container gonogo-proxy",
            )

    async def maintenance(self) -> str:
        """The note of the maintenance that is on; empty when users are served."""
        return noted(self._folder)

    async def url(self, service: str) -> str:
        """Where this machine reaches a service through HAProxy; empty when it cannot."""
        return await self._around.reach(service)

    async def counters(self, service: str, release: str) -> Counters | None:
        """What was counted since the release got the traffic; None when it does not have it."""
        route = self._written().get(service)
        if route is None or route.release != release:
            return None
        try:
            return _counted(await self._runtime.totals(service), route.since)
        except TemporaryError:
            return None

    async def _servers(self, service: str) -> Sequence[Server]:
        servers = (await self._runtime.servers()).get(service)
        if servers is None:
            raise TemporaryError(
                f"HAProxy does not know the service {service}",
                next_step="have it read its configuration again: gonogo start",
            )
        return servers

    async def _wait(self, service: str, places: Places, look: Look, until: float) -> None:
        """Until a look at the service's servers finds nothing amiss."""
        while amiss := look(await self._servers(service), places):
            if self._clock.now() >= until:
                raise TemporaryError(
                    f"the new route of {service} is not in force after {_IN_FORCE_WITHIN:.0f} s: "
                    f"{amiss}",
                    next_step="look whether gonogo-proxy is in a network of the instances",
                )
            await self._clock.sleep(0.02)

    async def _park(self, service: str) -> None:
        """Have slots out of use follow HAProxy's own name, which is always there.

        It would go on asking for a name that is gone, and the engine logs an error each time.
        """
        with suppress(TemporaryError):
            own = (await self._runtime.info())["node"]
            servers = await self._servers(service)
            await self._runtime.tell(
                [
                    f"set server {service}/{one.slot} fqdn {own}"
                    for one in servers
                    if not one.in_force and one.host not in ("", own)
                ]
            )

    async def _route(
        self, service: str, release: str, servers: Sequence[Server], places: Places
    ) -> Route:
        """The route to write; the release keeps its start when it has the traffic already."""
        old = self._written().get(service, Route())
        now = {one.slot: one.address for one in servers if one.in_force}
        goes_on = (old.release, old.servers) == (release, now)
        since = old.since if goes_on else await self._runtime.totals(service)
        return Route(release=release, servers=places, since=since)

    def _written(self) -> dict[str, Route]:
        return {path.stem: parse(path.read_text()) for path in sorted(self._routes.glob("*.cfg"))}

    def _write(self, service: str, route: Route) -> None:
        write(self._path(service), render(service, route).encode())

    def _write_closed(self) -> None:
        write(self._folder / CLOSED, f"{ON} 1\n".encode() if noted(self._folder) else b"")

    def _path(self, service: str) -> Path:
        return self._routes / f"{service}.cfg"


def _places(servers: Sequence[Server], addresses: Sequence[str]) -> Places:
    """A slot for each address: the one that follows its name already, or a free one."""
    followed = {one.host: one.slot for one in sorted(servers, key=lambda one: one.in_force)}
    known = {followed[_host(one)]: one for one in addresses if _host(one) in followed}
    free = (one.slot for one in servers if not one.in_force and one.slot not in known)
    new = [one for one in addresses if _host(one) not in followed]
    places = known | dict(zip(free, new, strict=False))
    if len(places) < len(addresses):
        raise PermanentError(f"more instances than HAProxy has slots: {len(servers)} in all")
    return places


def _fill(service: str, servers: Sequence[Server], places: Places) -> list[str]:
    """Commands that have slots follow the names in them. Their old IP must not be taken for new."""
    return [
        f"set server {service}/{one.slot} {what}"
        for one in servers
        if one.slot in places and one.host != _host(places[one.slot])
        for what in (
            f"addr 0.0.0.0 port {_port(places[one.slot])}",
            f"fqdn {_host(places[one.slot])}",
        )
    ]


def _unresolved(servers: Sequence[Server], places: Places) -> str:
    """The names that have no IP yet."""
    late = (one for one in servers if one.slot in places and not one.ip)
    return ", ".join(f"{one.host} has no IP" for one in late)


def _switch(service: str, servers: Sequence[Server], places: Places) -> list[str]:
    """Commands that give the slots the traffic, and only then take it from the others."""
    wanted = [one for one in servers if one.slot in places]
    # A slot whose name was lost takes a port only now: without an IP, HAProxy refuses it.
    ports = [
        f"{service}/{one.slot} addr {one.ip} port {_port(places[one.slot])}"
        for one in wanted
        if one.address != places[one.slot]
    ]
    ready = [f"{service}/{one.slot} state ready" for one in wanted if not one.in_force]
    drain = [
        f"{service}/{one.slot} state drain"
        for one in servers
        if one.in_force and one.slot not in places
    ]
    return [f"set server {what}" for what in (*ports, *ready, *drain)]


def _not_in_force(servers: Sequence[Server], places: Places) -> str:
    """How the servers with traffic differ from the places."""
    now = {one.slot: one.address for one in servers if one.usable}
    more = [one.address for one in servers if one.in_force and one.slot not in places]
    return "" if now == places and not more else f"in force is {', '.join(now.values()) or 'none'}"


def _counted(totals: Totals, since: Totals | None) -> Counters:
    """What came after; all of it, when HAProxy was started again and counts from zero."""
    counts = totals.counts
    if since and since.started == totals.started:
        counts = tuple(now - then for now, then in zip(counts, since.counts, strict=True))
    requests, server_errors, *buckets = counts
    return Counters(
        requests=requests,
        server_errors=server_errors,
        buckets=dict(zip(BUCKETS, buckets, strict=True)),
    )


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _port(address: str) -> str:
    return address.rpartition(":")[2]


CONTAINED: type[ContainedProxy] = HaproxyProxy

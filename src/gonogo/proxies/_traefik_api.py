"""What Traefik says about itself: routes in force, entry points and counters."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import zlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from gonogo.model.errors import TemporaryError
from gonogo.model.target import Counters
from gonogo.proxies._common import BUCKETS, write
from gonogo.proxies._traefik_config import addresses_of

Fetch = Callable[[str], Awaitable[str]]
"""Gives what Traefik answers for a path; OSError when it does not answer."""
InForce = tuple[str, list[str]]
"""Traefik's service, and its addresses."""

_PORTS = range(30000, 32000)
_SAMPLE = re.compile(r"(\w+)\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Api:
    """Asks Traefik. hint says where to look when it does not answer."""

    def __init__(self, fetch: Fetch, hint: str) -> None:
        self._fetch = fetch
        self._hint = hint

    async def in_force(self) -> dict[str, InForce]:
        """For each service what has its traffic. A route that Traefik refuses has no addresses."""
        told = await self._json("/api/rawdata")
        backends = told.get("services", {})
        found = {}
        for name, router in told.get("routers", {}).items():
            service, _, provider = name.rpartition("@")
            if provider != "file":
                continue
            usable = router["status"] != "disabled"
            backend = backends.get(f"{router['service']}@file", {}) if usable else {}
            found[service] = (router["service"], sorted(addresses_of(backend)))
        return found

    async def entry_points(self) -> set[str]:
        """Names of the entry points."""
        return {one["name"] for one in await self._json("/api/entrypoints")}

    async def counters(self, backend: str) -> Counters:
        """What was counted for one of Traefik's services."""
        return counted(await self._get("/metrics"), f"{backend}@file")

    async def _json(self, path: str) -> Any:
        try:
            return json.loads(await self._get(path))
        except ValueError as problem:
            raise TemporaryError("traefik does not answer well", next_step=self._hint) from problem

    async def _get(self, path: str) -> str:
        try:
            return await self._fetch(path)
        except (OSError, ValueError, http.client.HTTPException) as problem:
            raise TemporaryError("traefik does not answer", next_step=self._hint) from problem


def counted(text: str, service: str) -> Counters:
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


class LocalPort:
    """The port of the API on this machine, kept in a file of a folder.

    name is what the folder's Traefik calls itself; that of another environment differs.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / "api.port"
        self._name = name

    def fetch(self, path: str) -> str:
        """What Traefik answers."""
        port = int(self._path.read_text())
        if not self._is_ours(port):
            raise OSError(f"somebody else listens on port {port}")
        return _fetch(port, path)

    def choose(self) -> int:
        """The port; another one when somebody else has taken it.

        Each folder starts its search elsewhere: two that start at once must not choose the same.
        """
        kept = int(self._path.read_text()) if self._path.exists() else 0
        if kept and (_is_free(kept) or self._is_ours(kept)):
            return kept
        first = zlib.crc32(os.fsencode(self._path.parent)) % len(_PORTS)
        ports = (*_PORTS[first:], *_PORTS[:first])
        port = next((port for port in ports if _is_free(port)), 0)
        if not port:
            raise TemporaryError("no free port for traefik's API")
        write(self._path, str(port).encode())
        return port

    def _is_ours(self, port: int) -> bool:
        try:
            said: Mapping[str, object] = json.loads(_fetch(port, "/api/version"))
            return said.get("dashboardName") == self._name
        except (OSError, ValueError, http.client.HTTPException):
            return False


def _fetch(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise ValueError(f"status {answer.status} for {path}")
        return text
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

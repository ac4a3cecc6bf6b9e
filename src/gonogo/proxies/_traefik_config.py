"""What Traefik reads: traefik.yml, which changes with the ports, and a file of routes per service.

JSON is YAML too, and needs no library.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.proxies._common import BUCKETS
from gonogo.proxies._maintenance import HEADERS

CLOSED = "maintenance.page"
"""Traefik's name for what answers during maintenance. A service's own name has no dot."""
_DRAIN = "10s"
_TRANSPORT = {
    "maxIdleConnsPerHost": 200,
    "forwardingTimeouts": {
        "dialTimeout": "10s",
        "responseHeaderTimeout": "0s",
        "idleConnTimeout": "0.5s",
    },
}
"""Idle connections to an instance end before the instance itself ends them (after 2 to 5 s with
the usual servers): a request sent at that very moment would fail."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How Traefik runs. listen is the address of the ports, routes the folder as Traefik sees it.

    api is the address of its API, name what it calls itself there. trusting: it is behind another
    proxy, and passes on what that one says about the client.
    """

    listen: str
    routes: str
    api: str
    name: str
    trusting: bool = False


def static(ports: Mapping[str, int], manner: Manner) -> bytes:
    """traefik.yml."""
    entry_points: dict[str, Any] = {"traefik": {"address": manner.api}}
    for port in sorted(set(ports.values())):
        entry_points[entry_point(port)] = {
            "address": f"{manner.listen}:{port}",
            "http": {"encodeQuerySemicolons": True},
            "forwardedHeaders": {"insecure": manner.trusting},
            "transport": {"lifeCycle": {"graceTimeOut": _DRAIN}},
        }
    whole = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN", "noColor": True},
        "api": {"insecure": True, "dashboard": False, "dashboardName": manner.name},
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
            "file": {"directory": manner.routes, "watch": True},
        },
    }
    return json.dumps(whole, indent=2).encode()


def closed(ports: Iterable[int]) -> bytes:
    """Routes that win over those of every service and lead nowhere: Traefik answers 503."""
    router = {
        "rule": "PathPrefix(`/`)",
        "priority": 1_000_000,
        "entryPoints": sorted(entry_point(port) for port in set(ports)),
        "middlewares": [CLOSED],
        "service": CLOSED,
    }
    whole = {
        "http": {
            "routers": {CLOSED: router},
            "services": {CLOSED: {"loadBalancer": {"servers": []}}},
            "middlewares": {CLOSED: {"headers": {"customResponseHeaders": HEADERS}}},
        }
    }
    return json.dumps(whole, indent=2).encode()


def render(service: str, release: str, addresses: Sequence[str], port: int) -> bytes:
    """The routes of a service."""
    name = backend(service, release)
    router = {
        "rule": "PathPrefix(`/`)",
        "entryPoints": [entry_point(port)],
        "service": name,
    }
    servers = [{"url": f"http://{address}"} for address in addresses]
    balancer = {"servers": servers, "serversTransport": service}
    whole = {
        "http": {
            "routers": {service: router},
            "services": {name: {"loadBalancer": balancer}},
            "serversTransports": {service: _TRANSPORT},
        }
    }
    return json.dumps(whole, indent=2).encode()


def parse(text: str) -> list[str]:
    """The addresses in the file of a service."""
    services = json.loads(text)["http"]["services"]
    return [one for each in services.values() for one in addresses_of(each)]


def entry_point(port: int) -> str:
    """Traefik's name for a port that users reach."""
    return f"port-{port}"


def backend(service: str, release: str) -> str:
    """Traefik's name for a service in a release, so that each release is counted apart."""
    return f"{service}-{release}"


def addresses_of(service: Mapping[str, Any]) -> list[str]:
    """The addresses of one of Traefik's services, in a file or in an answer of the API."""
    servers = service.get("loadBalancer", {}).get("servers", [])
    return [server["url"].removeprefix("http://") for server in servers]

"""What HAProxy reads when it starts: one file for all, and one for the backend of each service.

Where traffic goes is in routes/SERVICE.cfg, by name and not by IP: HAProxy comes back with the same
routes when it or the engine is restarted. The first line says in JSON what HAProxy has no place
for. haproxy.cfg changes with the ports of the services only; then HAProxy has to be reloaded.

A request passes HAProxy twice: the entry counts the answers, the inside chooses the instance. Only
so all failures are counted: HAProxy's rules for answers do not see those it gives itself, and when
an instance breaks off a request that is not the first of its connection, HAProxy closes that
connection without a word or a count. From the inside each comes out as a 502, 503 or 504.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from gonogo.proxies._common import BUCKETS
from gonogo.proxies._maintenance import HEADERS, PAGE

PLACE = "/usr/local/etc/haproxy"
"""Where the container sees the folder of these files."""
SOCKET = "admin.sock"
SLOTS = tuple(f"s{number}" for number in range(1, 33))
"""Each backend's places for instances: enough for those in force and those of the next release."""
CLOSED, ON = "maintenance.map", "on"
"""A map that has the key ON during maintenance. It is also a file, for a restart."""
COUNTS = len(BUCKETS) + 2
"""Requests, server errors, and what each bucket has."""

_GLOBAL = f"""\
# Written by gonogo whenever the ports of the services change.
global
    stats socket {PLACE}/{SOCKET} mode 600 level admin
    description @
    maxconn 8000
    hard-stop-after 60s

# The engine's own names. A server whose name is gone is out after one to two seconds, before its
# IP can be somebody else's; while the engine does not answer, the last IP stays.
resolvers engine
    nameserver engine 127.0.0.11:53
    resolve_retries 1
    timeout resolve 500ms
    timeout retry 500ms
    hold nx 1s
    hold other 1s
    hold timeout 1d

# A refused connection is tried again, elsewhere if it can be: nothing was sent yet. What was sent
# is never sent again. Connections to instances are not kept: an instance may close one at the
# moment of the next request.
defaults services
    mode http
    option http-server-close
    option idle-close-on-response
    option redispatch 1
    retries 3
    timeout connect 2s
    timeout http-request 30s
    timeout http-keep-alive 75s
    timeout client 10m
    timeout server 10m
    timeout tunnel 1h
"""
_SERVICE = """
listen {service}.entry from services
    bind :{port}
    option forwardfor
{maintenance}
    stick-table type integer size 1 store gpc({counts})
    http-request set-var(txn.begun) date(0,us)
    http-response set-var(txn.took) date(0,us),sub(txn.begun)
    http-response track-sc0 int(0)
    http-response sc-inc-gpc(0,0)
    http-response sc-inc-gpc(1,0) if {{ status ge 500 }}
{buckets}
    server inside abns@{service}

frontend {service}.inside from services
    bind abns@{service}
    default_backend {service}
"""
_MAP = f"{PLACE}/{CLOSED}"
_MAINTENANCE = (
    f'    http-request return status 503 content-type "text/html" file {PLACE}/{PAGE}'
    + "".join(f" hdr {name} {value}" for name, value in HEADERS.items())
    + f" if {{ str({ON}),map({_MAP}) -m found }}"
)
_BUCKET = "    http-response sc-inc-gpc({index},0) if {{ var(txn.took) -m int le {microseconds} }}"
_BACKEND = """\
# {note}
backend {service} from services
    default-server resolvers engine resolve-prefer ipv4 resolve-opts allow-dup-ip
    default-server init-addr libc,none
"""
_SERVER = "    server {slot} {address}\n"
_FREE = "0.0.0.0:1 disabled"
_USED = re.compile(r"^    server (\S+) (\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What HAProxy counted for a service since it started (in seconds since the epoch)."""

    started: int
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where a service's traffic goes: by the names of the slots, the addresses in them.

    since has what had been counted when the release got the traffic.
    """

    release: str = ""
    servers: Mapping[str, str] = field(default_factory=dict)
    since: Totals | None = None


def static(ports: Mapping[str, int]) -> str:
    """haproxy.cfg. By its description a running HAProxy tells whether this is what it read."""
    return _static(ports).replace("@", fingerprint(ports), 1)


def fingerprint(ports: Mapping[str, int]) -> str:
    """A hash of all that HAProxy reads, but for where the traffic goes."""
    whole = _static(ports) + render("", Route())
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def entry(service: str) -> str:
    """HAProxy's name for what users reach. A service's own name has no dot."""
    return f"{service}.entry"


def render(service: str, route: Route) -> str:
    """The backend of a service."""
    since = asdict(route.since) if route.since else None
    note = json.dumps({"release": route.release, "since": since})
    servers = (_SERVER.format(slot=slot, address=route.servers.get(slot, _FREE)) for slot in SLOTS)
    return _BACKEND.format(note=note, service=service) + "".join(servers)


def parse(text: str) -> Route:
    """The inverse of render."""
    note = json.loads(text.partition("\n")[0].removeprefix("# "))
    since = note["since"]
    totals = Totals(started=since["started"], counts=tuple(since["counts"])) if since else None
    return Route(release=note["release"], servers=dict(_USED.findall(text)), since=totals)


def _static(ports: Mapping[str, int]) -> str:
    buckets = "\n".join(
        _BUCKET.format(index=index, microseconds=round(bound * 1_000_000))
        for index, bound in enumerate(BUCKETS, start=2)
    )
    services = (
        _SERVICE.format(
            service=name, port=port, counts=COUNTS, buckets=buckets, maintenance=_MAINTENANCE
        )
        for name, port in sorted(ports.items())
    )
    return _GLOBAL + "".join(services)

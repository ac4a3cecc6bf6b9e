"""What in a team's compose files would make a rollout fail, said before anything is touched.

Pure: takes Compose's model of the files. Each objection names the line and the mend. They come
from what hurts the users of Compose, docker-rollout, Kamal and Swarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gonogo.engines._compose_file import Json
from gonogo.model.configuration import Service, Watch
from gonogo.model.duration import seconds
from gonogo.model.target import Objection

Place = Callable[..., str]
"""Gives `file:line:column` of the keys that lead to a value in the compose files."""

STATEFUL = ("postgres", "mysql", "mariadb", "mongo", "redis", "valkey", "rabbitmq", "elasticsearch")
"""Images whose services keep data. Two of them on one volume would spoil it."""

_INTERVAL, _RETRIES = "30s", 3
"""Docker's own values for a health check that names none."""


def objections(
    model: Json, services: Mapping[str, Service], watch: Watch | None, place: Place
) -> list[Objection]:
    """All of them, in the order of the services."""
    found = []
    for name, service in services.items():
        if name not in model["services"]:
            known = ", ".join(model["services"])
            text = f"gonogo.yml releases {name}, and the compose files have no such service"
            found.append(Objection(text=text, mend=f"name one of: {known}"))
            continue
        for look in (_health, _time, _ports, _alone, _data):
            found += look(model, name, service, place)
        found += _watch(model, name, watch, place)
    return found


def _health(model: Json, name: str, service: Service, place: Place) -> Iterator[Objection]:
    check = model["services"][name].get("healthcheck") or {}
    if service.port and (not check.get("test") or check.get("disable")):
        yield Objection(
            text=f"{name} has no health check, so nothing tells when it may get traffic",
            where=place("services", name),
            mend=f"give it one: healthcheck: {{test: [CMD, ...], interval: 2s}} below {name}",
        )


def _time(model: Json, name: str, service: Service, place: Place) -> Iterator[Objection]:
    check = model["services"][name].get("healthcheck") or {}
    needed = seconds(check.get("start_period") or "0s") + _fails_after(check)
    if needed > seconds(service.start_timeout):
        yield Objection(
            text=f"the health check of {name} may take {needed:g} s to fail, and gonogo waits only "
            f"{service.start_timeout}",
            where=place("services", name, "healthcheck"),
            mend=f"set start_timeout of {name} in gonogo.yml to more than {needed:g}s",
        )


def _ports(model: Json, name: str, service: Service, place: Place) -> Iterator[Objection]:
    for one in model["services"][name].get("ports") or []:
        if one["target"] != service.port and one.get("published"):
            yield Objection(
                text=f"{name} publishes port {one['published']}, which old and new cannot share",
                where=place("services", name, "ports"),
                mend=f"only port {service.port or '(none)'} is taken over by the proxy: remove the "
                f"other, or set `port` of {name} in gonogo.yml",
            )


def _alone(model: Json, name: str, service: Service, place: Place) -> Iterator[Objection]:
    given = model["services"][name]
    if mode := given.get("network_mode"):
        yield Objection(
            text=f"{name} has network_mode {mode}, so old and new cannot run side by side",
            where=place("services", name, "network_mode"),
            mend="use a network of the compose file",
        )
    for network, settings in (given.get("networks") or {}).items():
        if settings and (settings.get("ipv4_address") or settings.get("ipv6_address")):
            yield Objection(
                text=f"{name} has a fixed address in {network}, which old and new cannot share",
                where=place("services", name, "networks", network),
                mend="remove it; others reach the service by its name",
            )


def _data(model: Json, name: str, service: Service, place: Place) -> Iterator[Objection]:
    image = str(model["services"][name].get("image", ""))
    kind = image.rpartition("/")[2].partition(":")[0]
    if kind in STATEFUL:
        yield Objection(
            text=f"{name} keeps data ({image}), and two of it would spoil it",
            where=place("services", name, "image"),
            mend=f"remove {name} from `services` in gonogo.yml: it is then started and kept",
        )


def _watch(model: Json, name: str, watch: Watch | None, place: Place) -> Iterator[Objection]:
    needed = _fails_after(model["services"][name].get("healthcheck") or {})
    if watch and needed > seconds(watch.length):
        yield Objection(
            text=f"the watch of {watch.length} is shorter than the {needed:g} s in which "
            f"the health check of {name} notices a failure: it would prove nothing",
            where=place("services", name, "healthcheck"),
            mend=f"watch for more than {needed:g}s, or make the health check quicker",
        )


def _fails_after(check: Mapping[str, Any]) -> float:
    """Seconds a health check needs to notice that a service stopped working; 0 without one."""
    if not check.get("test") or check.get("disable"):
        return 0.0
    retries = int(check.get("retries") or _RETRIES)
    return seconds(check.get("interval") or _INTERVAL) * retries


def places(files: Sequence[Path], folder: Path) -> Place:
    """Finds the line of a value, in the last of the files that has it; empty when none has."""
    import yaml

    roots = []
    for path in files:
        with path.open("rb") as file:
            roots.append((path.relative_to(folder), yaml.compose(file, Loader=yaml.SafeLoader)))

    def place(*keys: str) -> str:
        for name, root in reversed(roots):
            mark = _mark(root, keys)
            if mark:
                return f"{name}:{mark.line + 1}:{mark.column + 1}"
        return place(*keys[:-1]) if keys else ""

    return place


def _mark(node: Any, keys: Sequence[str]) -> Any:
    """Where the key stands that the keys lead to; None when they lead nowhere."""
    mark = None
    for key in keys:
        pairs = node.value if hasattr(node, "value") and isinstance(node.value, list) else []
        found = [one for one in pairs if isinstance(one, tuple) and one[0].value == key]
        if not found:
            return None
        mark, node = found[0][0].start_mark, found[0][1]
    return mark

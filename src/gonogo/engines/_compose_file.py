"""What gonogo runs, derived from the team's compose files. Pure: takes and gives plain values.

`docker compose config` gives one model of all files, profiles and variables. From it come

- the release file: each instance of a service is a service of its own, named by service, release
  and number, without what two containers cannot share (fixed ports, container name) and without
  what gonogo does itself (build, order, number of replicas);
- the proxy file: one container that takes over the ports of the services and their names on the
  networks, so that the ports and addresses the team knows stay as they are.

The team's files are never edited. The networks are those that their files declare.

Source: the Compose Specification, https://github.com/compose-spec/compose-spec.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.flag import Readers
from gonogo.model.target import instance_name

Json = dict[str, Any]

PROXY = "gonogo-proxy"
"""The compose service of the proxy."""

PROJECT, SERVICE, RELEASE, NUMBER, VARIANT, PORT, GRACE = (
    f"gonogo.{name}"
    for name in ("project", "service", "release", "number", "variant", "port", "grace")
)
"""Labels of an instance: its identity. port is 0 for a worker; grace is in seconds."""

_NOT_SHARED = ("build", "container_name", "depends_on", "links", "ports", "profiles", "scale")
_TOP_LEVEL = ("volumes", "secrets", "configs")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One container of a release. variables are names that it takes from Compose's environment."""

    service: str
    release: str
    number: int
    image: str
    port: int
    grace: float
    variables: Sequence[str]
    variant: str = ""

    @property
    def key(self) -> str:
        """Its name among the compose services, and on the networks."""
        return instance_name(self.service, self.release, self.number, self.variant)


def release_file(model: Json, part: Part) -> Json:
    """The compose file of one instance."""
    made = _service(model, part)
    made |= {
        "container_name": f"{model['name']}-{part.key}",
        "stop_grace_period": f"{part.grace:g}s",
        "restart": made.get("restart") or "unless-stopped",
        "labels": {**(made.get("labels") or {}), **_labels(model["name"], part)},
    }
    return _file(model, part.key, made)


def once_file(model: Json, part: Part, key: str) -> Json:
    """The compose file of a container that runs one command in an image of a release."""
    made = _service(model, part)
    made |= {"container_name": f"{model['name']}-{key}", "restart": "no"}
    made.pop("healthcheck", None)
    return _file(model, key, made)


def build_file(model: Json, tags: Mapping[str, str], labels: Mapping[str, str]) -> Json:
    """The compose file that builds the services which have a `build`, each under its tag."""
    services = {}
    for name, tag in tags.items():
        build = dict(model["services"][name]["build"])
        build["labels"] = {**(build.get("labels") or {}), **labels}
        services[name] = {"build": build, "image": tag}
    whole = {"name": model["name"], "services": services}
    return whole | {key: model[key] for key in ("secrets",) if key in model}


def proxy_file(model: Json, container: Json, ports: Mapping[str, int]) -> Json:
    """The compose file of the proxy. ports has the port in the container of each service."""
    networks: dict[str, Any] = {}
    published: list[Json] = []
    for name, port in ports.items():
        service = model["services"][name]
        for network, settings in (service.get("networks") or {"default": None}).items():
            aliases = networks.setdefault(network, {"aliases": []})["aliases"]
            aliases += [name, *((settings or {}).get("aliases") or [])]
        published += [one for one in service.get("ports") or [] if one["target"] == port]
    made = {
        "restart": "unless-stopped",
        **container,
        "container_name": f"{model['name']}-{PROXY}",
        "networks": networks,
        "ports": published,
        "labels": {PROJECT: model["name"]},
    }
    used = {name: model["networks"][name] for name in made["networks"]}
    return {"name": model["name"], "networks": used, "services": {PROXY: made}}


def kept_services(model: Json, rolled: Iterable[str]) -> list[str]:
    """Services that gonogo only starts and never recreates: all that it does not roll."""
    return [name for name in model["services"] if name not in set(rolled)]


def grace_of(model: Json, service: str, stop_grace: str) -> float:
    """Seconds from SIGTERM to SIGKILL: the longer of the compose file's and gonogo.yml's."""
    given = (model["services"].get(service) or {}).get("stop_grace_period")
    return max(seconds(stop_grace), seconds(given) if given else 0.0)


def readers(model: Json, raw: Json, variable: str) -> Readers:
    """Who reads a variable, from the model with its variables put in and the one without (raw)."""
    named = re.compile(rf"\$\{{?{re.escape(variable)}\b")
    services, built = [], []
    for name, service in model["services"].items():
        text = dict(raw["services"].get(name, {}))
        build = json.dumps(text.pop("build", None))
        if variable in (service.get("environment") or {}) or named.search(json.dumps(text)):
            services.append(name)
        arguments = (service.get("build") or {}).get("args") or {}
        if variable in arguments or named.search(build):
            built.append(name)
    return Readers(services=services, built=built)


def published(model: Json, service: str, port: int) -> str:
    """Where this machine reaches a service's port, as host:port; empty when it is not published."""
    for one in (model["services"].get(service) or {}).get("ports") or []:
        if one["target"] == port and one.get("published"):
            host = one.get("host_ip") or "127.0.0.1"
            return f"{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{one['published']}"
    return ""


def _service(model: Json, part: Part) -> Json:
    """The team's service without what two containers cannot share, with the release's image."""
    if part.service not in model["services"]:
        raise PermanentError(
            f"there is no service {part.service} in the compose files",
            next_step="correct `services` in gonogo.yml, or the files below `engine`",
        )
    given = model["services"][part.service]
    made = {key: value for key, value in given.items() if key not in _NOT_SHARED}
    made["networks"] = dict.fromkeys(made.get("networks") or {"default": None})
    if "deploy" in made:
        made["deploy"] = {"resources": made["deploy"].get("resources") or {}}
    taken = {name: f"${{{name}}}" for name in part.variables}
    made["environment"] = {**(made.get("environment") or {}), **taken}
    return made | {"image": part.image, "pull_policy": "never"}


def _labels(project: str, part: Part) -> dict[str, str]:
    return {
        PROJECT: project,
        SERVICE: part.service,
        RELEASE: part.release,
        NUMBER: str(part.number),
        VARIANT: part.variant,
        PORT: str(part.port),
        GRACE: f"{part.grace:g}",
    }


def _file(model: Json, key: str, service: Json) -> Json:
    """A file with one service, on networks that are there already."""
    networks = {
        name: {"name": model["networks"][name]["name"], "external": True}
        for name in service["networks"]
    }
    whole = {"name": model["name"], "networks": networks, "services": {key: service}}
    return whole | {name: model[name] for name in _TOP_LEVEL if name in model}

"""Proposes a `gonogo.yml` for a team's own compose file, which is read and never written.

What is built here is released. What keeps data, and images of others, is left to be kept as it is.
The port in the container comes from `ports`, `expose`, the health check, what other services call,
or the Dockerfile; the health path from the health check.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.engines._compose import DEFAULT_FILES
from gonogo.engines._compose_preflight import STATEFUL
from gonogo.engines._compose_yaml import read

_URL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]):?(\d+)?(/[\w./-]*)?")
_EXPOSE = re.compile(r"(?mi)^\s*EXPOSE\s+(\d+)")
_DEFAULT = re.compile(r"\$\{\w+:?-([^}]*)\}")
_NEEDED = re.compile(r"(?<!\$)\$\{?([A-Za-z_]\w*)(?!\w*:?[-+])")
_ADDRESS = re.compile(r"postgres(?:ql)?(?:\+\w+)?://\S+")
_PLAIN_REFERENCE = re.compile(r"\$\{(\w+)\}")
_NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Lines below `environments`, and what is to be said beside them."""

    lines: list[str]
    notes: list[str]


def compose_file(folder: Path) -> Path | None:
    """The compose file that docker compose would take, if there is one."""
    return next((folder / name for name in DEFAULT_FILES if (folder / name).is_file()), None)


def propose_compose(path: Path, room: int) -> Proposal | None:
    """The production environment of a compose file, in at most so many lines.

    None when it has nothing to release. BadConfiguration, with the place, when it cannot be read.
    """
    whole = read(path)
    services = {
        name: one
        for name, one in (whole.get("services") or {}).items()
        if isinstance(one, dict) and not one.get("profiles")
    }
    released = {name: one for name, one in services.items() if _is_released(one, services)}
    released = {name: one for name, one in released.items() if _NAME.fullmatch(name)}
    if not released:
        return None
    kept = [name for name in services if name not in released]
    lines = ["  production:", f"    engine: compose  # {path.name}, as it is"]
    env_files = _env_files(path, whole)
    if env_files:
        lines.append(f"    env_files: [{env_files}]")
    database = _database(services, kept, path.parent / ".env")
    about = f"  # not released, kept as it is: {', '.join(kept)}" if kept else ""
    entries = {name: _entry(name, one, services, path.parent) for name, one in released.items()}
    if len(lines) + 1 + len(entries) + len(database) <= room:
        lines.append(f"    services:{about}")
        lines += [f"      {name}: {entry}" for name, entry in entries.items()]
    else:
        flow = ", ".join(f"{name}: {entry}" for name, entry in entries.items())
        lines.append(f"    services: {{{flow}}}{about}")
    return Proposal(lines=[*lines, *database], notes=_notes(path, env_files))


def _is_released(service: Mapping[str, Any], services: Mapping[str, Any]) -> bool:
    """Whether it is the team's own: built here, or from an image that is built here.

    Where nothing is built here, whatever neither keeps data nor is an official image.
    """
    if _kind(service) in STATEFUL:
        return False
    if service.get("build"):
        return True
    built = [one for one in services.values() if one.get("build")]
    image = str(service.get("image") or "")
    if built:
        return bool(image) and image in [one.get("image") for one in built]
    return "/" in image and not service.get("volumes")


def _kind(service: Mapping[str, Any]) -> str:
    image = str(service.get("image") or "")
    return "" if service.get("build") else image.rpartition("/")[2].partition(":")[0]


def _entry(name: str, service: Mapping[str, Any], services: Mapping[str, Any], folder: Path) -> str:
    port, health = _health(service)
    ports = [*_ports(service.get("ports")), *_ports(service.get("expose"))]
    if ports and port not in ports:
        port = ports[0]
    port = port or _called(name, services) or _exposed(service, folder)
    if not port:
        return "{}"
    return f"{{port: {port}, health: {health}}}" if health else f"{{port: {port}}}"


def _ports(written: Any) -> list[int]:
    """The ports in the container of `ports` or `expose`, in each of their forms."""
    found = []
    for one in written if isinstance(written, list) else []:
        text = str(one.get("target", "")) if isinstance(one, dict) else str(one)
        last = _DEFAULT.sub(r"\1", text).partition("/")[0].rpartition(":")[2]
        if last.isdigit():
            found.append(int(last))
    return found


def _health(service: Mapping[str, Any]) -> tuple[int, str]:
    """The port and the path that the health check asks; 0 and nothing when it shows none."""
    check = service.get("healthcheck")
    test = check.get("test") if isinstance(check, dict) else None
    text = " ".join(map(str, test)) if isinstance(test, list) else str(test or "")
    match = _URL.search(_DEFAULT.sub(r"\1", text))
    return (int(match[1] or 80), match[2] or "") if match else (0, "")


def _called(name: str, services: Mapping[str, Any]) -> int:
    """The port at which other services call this one, as their variables and commands say."""
    pattern = re.compile(rf"https?://{re.escape(name)}:(\d+)")
    for one in services.values():
        for key in ("environment", "command"):
            if match := pattern.search(_DEFAULT.sub(r"\1", str(one.get(key) or ""))):
                return int(match[1])
    return 0


def _exposed(service: Mapping[str, Any], folder: Path) -> int:
    """What the Dockerfile exposes; with a command of its own it may be a worker."""
    build = service.get("build")
    if not build or service.get("command") or service.get("entrypoint"):
        return 0
    given = {"context": build} if isinstance(build, str) else build
    path = folder / str(given.get("context", ".")) / str(given.get("dockerfile", "Dockerfile"))
    try:
        match = _EXPOSE.search(path.read_text("utf-8-sig"))
    except (OSError, ValueError):
        return 0
    return int(match[1]) if match else 0


def _env_files(path: Path, whole: Mapping[str, Any]) -> str:
    """`.env`, if docker compose reads it, or would need it."""
    needs = any(_NEEDED.search(text) for text in _texts(whole))
    return ".env" if needs or (path.parent / ".env").is_file() else ""


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _database(services: Mapping[str, Any], kept: Iterable[str], env_file: Path) -> list[str]:
    """The address of a PostgreSQL that is kept, where it can be written without its password."""
    hosts = [name for name in kept if _kind(services[name]) == "postgres"]
    if not hosts:
        return []
    values = _values(env_file)
    for service in services.values():
        for text in _texts(service.get("environment")):
            value = text.partition("=")[2] if re.match(r"\w+=", text) else text
            address = _PLAIN_REFERENCE.sub(lambda match: values.get(match[1], ""), value)
            here = any(re.search(rf"@{re.escape(host)}[:/]", address) for host in hosts)
            # A reference, or an address whose password is one: no secret gets into gonogo.yml.
            hides = _PLAIN_REFERENCE.fullmatch(value) or re.search(r":\$\{\w+\}@", value)
            if here and hides and _ADDRESS.fullmatch(address) and ":-" not in value:
                return ["    database:", f"      postgres: {value}"]
    return [f"    # database: {{postgres: ${{DATABASE_URL}}}}  # the address of {hosts[0]}"]


def _values(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    example = path.with_name(".env.example")
    file = path if path.is_file() else example
    try:
        found = dotenv_values(file, interpolate=False) if file.is_file() else {}
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: value for name, value in found.items() if value}


def _notes(path: Path, env_files: str) -> list[str]:
    if env_files and not (path.parent / ".env").is_file():
        example = path.parent / ".env.example"
        return ["cp .env.example .env, and fill it in" if example.is_file() else "write .env"]
    return []

"""Proposes a first `gonogo.yml` of at most 15 lines from what lies in a repository.

A team's compose file is what it releases with; without one the local engine is proposed. Only what
can be derived is written as configuration; what was found but is not used is named in a comment, so
that nobody believes that it is looked after.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from gonogo.config.init_compose import Proposal, compose_file, propose_compose
from gonogo.engines._compose import DEFAULT_FILES

MAX_LINES = 15
_LARGEST = 1_000_000


def propose(folder: Path) -> str:
    """The text of a gonogo.yml that load() accepts. BadConfiguration for a broken compose file."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.absolute().name.lower()).strip("-")[:40].strip("-")
    app = name if re.fullmatch("[a-z][a-z0-9-]*", name) else "app"
    if found := from_compose(folder):
        return "\n".join([f"app: {app}", "", "environments:", *found.lines]) + "\n"
    services, build = _commands(folder)
    unused = _unused(folder)
    lines = [f"app: {app}", "", "environments:", "  development:", "    engine: local"]
    lines += ["    development: true"]
    if (folder / ".env").is_file():
        lines.append("    env_files: [.env]")
    if build:
        lines.append(f"    build: [{_flow(build)}]")
    lines += _service_lines(services, room=MAX_LINES - len(lines) - (1 if unused else 0))
    if unused:
        lines.append(f"# Found, not used yet: {', '.join(unused)}.")
    return "\n".join(lines) + "\n"


def from_compose(folder: Path) -> Proposal | None:
    """What the folder's compose file gives; None without one, or when it has nothing to release."""
    path = compose_file(folder)
    return propose_compose(path, MAX_LINES - 3) if path else None


def _service_lines(services: dict[str, list[str] | str], room: int) -> list[str]:
    if not services:
        return ["    # services:", "    #   web: {command: [...], port: 3000, health: /health}"]
    lines = ["    services:"]
    for name, command in services.items():
        lines.append(f"      {name}: {{command: {_flow(command)}}}")
    if len(lines) > room:
        rest = [line.strip().partition(":")[0] for line in lines[room - 1 :]]
        lines[room - 1 :] = [f"      # and {len(rest)} more: {', '.join(rest)}"[:200]]
    return lines


def _flow(command: list[str] | str) -> str:
    """A command in one line. JSON is YAML, and quotes every text that needs it."""
    if isinstance(command, str):
        return f"{{shell: {json.dumps(command)}}}"
    simple = all(re.fullmatch(r"[A-Za-z][\w./-]*", word) for word in command)
    reserved = {"true", "false", "null"} & {word.lower() for word in command}
    return f"[{', '.join(command)}]" if simple and not reserved else json.dumps(command)


def _commands(folder: Path) -> tuple[dict[str, list[str] | str], list[str]]:
    """Services with their commands, and how to build."""
    build: list[str] = []
    services: dict[str, list[str] | str] = {}
    package = _json(folder / "package.json")
    scripts = package.get("scripts")
    if isinstance(scripts, dict):
        tool = _javascript_tool(folder)
        if "build" in scripts:
            build = [tool, "run", "build"]
        if "start" in scripts:
            services["web"] = [tool, "run", "start"]
    services |= _procfile(folder / "Procfile")
    if not services:
        services |= _python(folder)
    return services, build


def _javascript_tool(folder: Path) -> str:
    locks = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lockb": "bun"}
    return next((tool for lock, tool in locks.items() if (folder / lock).is_file()), "npm")


def _procfile(path: Path) -> dict[str, list[str] | str]:
    found: dict[str, list[str] | str] = {}
    for line in _text(path).splitlines():
        name, _, command = line.partition(":")
        if not re.fullmatch(r"[\w-]+", name):
            continue
        service = re.sub("[^a-z0-9]+", "-", name.strip().lower())[:40].strip("-")
        if service != "release" and command.strip() and re.fullmatch("[a-z][a-z0-9-]*", service):
            found[service] = command.strip()
    return found


def _python(folder: Path) -> dict[str, list[str] | str]:
    if (folder / "manage.py").is_file():
        return {"web": ["python", "manage.py", "runserver"]}
    try:
        project = tomllib.loads(_text(folder / "pyproject.toml")).get("project", {})
    except tomllib.TOMLDecodeError:
        return {}
    scripts = project.get("scripts") if isinstance(project, dict) else None
    return {"web": [str(next(iter(scripts)))]} if isinstance(scripts, dict) and scripts else {}


def _unused(folder: Path) -> list[str]:
    """What is there and would be used if there were an engine or a migrator for it."""
    names = [*DEFAULT_FILES, "Dockerfile", "prisma/schema.prisma", "alembic.ini", ".env.example"]
    found = [name for name in names if (folder / name).is_file()]
    if (folder / ".env").is_file() and ".env.example" in found:
        found.remove(".env.example")
    if not found and (folder / "pyproject.toml").is_file() and not _python(folder):
        found.append("pyproject.toml")
    return found


def _text(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return ""
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

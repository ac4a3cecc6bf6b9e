"""References in texts of `gonogo.yml`: `${NAME}` is a variable, `$url` and the like are facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gonogo.model.configuration import Command, Environment, Shell
from gonogo.model.errors import PermanentError
from gonogo.model.secret import Secret

FACTS = ("url", "release", "environment", "project")
"""Facts of a run: the public address, the release's id, the environment's name, and the folder
of `gonogo.yml`."""

REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|(" + "|".join(FACTS) + r")\b)")
"""Group 1 is the name of a variable, group 2 of a fact."""

GIVEN = ("PORT", "HOST")
"""Variables that the engine gives to every instance."""


def references(value: Any) -> set[str]:
    """The names of all variables that are referenced anywhere in plain values."""
    if isinstance(value, str):
        return {name for name, _ in REFERENCE.findall(value) if name}
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        return set().union(*(references(one) for one in value))
    return set()


def needed(environment: Environment) -> set[str]:
    """The variables an environment refers to and that something outside of it must give.

    Commands and services may also refer to what `environment` sets and to what the engine gives. A
    line of shell is left out: there `${NAME}` is the shell's own.
    """
    database, services = environment.database, environment.services.values()
    migrations = database.migrations if database else None
    inside: list[Any] = [[one.command, one.environment] for one in services]
    inside += environment.build.commands
    inside += [migrations.command, migrations.pending] if migrations else []
    texts: list[Any] = [environment.url, environment.environment, environment.variables]
    texts += [database.sqlite, database.postgres] if database else []
    for check in environment.checks:
        settings = dict(check["settings"])
        command = settings.pop("run", ()) if check["use"] == "command" else ()
        inside += [] if isinstance(command, Mapping) else [command]
        texts.append(settings)
    return references(texts) | (references(inside) - {*environment.environment, *GIVEN})


def plain(value: str | Secret) -> str:
    """The text that goes into the environment of a process."""
    return value.reveal() if isinstance(value, Secret) else value


def filled_command(command: Command, values: Mapping[str, str | Secret], where: str) -> Command:
    """A command list with its references put in; a line of shell stays as the team wrote it.

    PermanentError for a secret: everybody on the machine can read the list of processes.
    """
    if isinstance(command, Shell):
        return command
    seen = {name: value for name, value in values.items() if isinstance(value, str)}
    return tuple(filled(part, seen, where, secrets=set(values)) for part in command)


def filled(
    text: str, values: Mapping[str, str | Secret], where: str, secrets: set[str] | None = None
) -> str:
    """The text with its references put in. PermanentError for one that is not set."""

    def put(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in values:
            return plain(values[name])
        if secrets and name in secrets:
            raise PermanentError(
                f"{where}: {match[0]} would be seen in the list of processes",
                next_step="let the application read it from its environment, or use shell:",
            )
        raise PermanentError(f"{where}: {match[0]} is not set")

    return REFERENCE.sub(put, text)

"""The shape of `gonogo.yml`. Field names are the keys of the file; config/ builds these values.

Texts may hold references: `${NAME}` is a variable from the environment or an env file, `$url`,
`$release` and `$environment` are facts of the run. References are resolved where a command runs or
a request is sent, never before, so that no secret gets into a plan.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any, NewType

Duration = NewType("Duration", str)
Reference = NewType("Reference", str)


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A line of shell that the team wrote; it runs verbatim, with values from the environment."""

    shell: str


Command = tuple[str, ...] | Shell


def written(command: Command) -> str:
    """A command as a person would type it; references stay references."""
    return command.shell if isinstance(command, Shell) else shlex.join(command)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who runs, approves or is told."""

    name: str
    roles: tuple[str, ...] = ()
    notify: str | None = None


@dataclass(frozen=True, kw_only=True)
class Service:
    """One long-running part of the application.

    port: where users reach it (the proxy listens there); without it the service is a worker.
    health: path that answers 200 once the instance may get traffic. version: path whose answer
    names the release. drain: how long the old instance keeps serving what it has after the switch.
    stop_grace: from SIGTERM to SIGKILL. start_timeout: until health must have passed. batch: how
    many of the new instances start at a time; traffic is moved when all of them are healthy.
    """

    command: Command | None = None
    port: int | None = None
    health: str | None = None
    version: str | None = None
    instances: int = 1
    batch: int = 1
    start_timeout: Duration = Duration("60s")
    drain: Duration = Duration("2s")
    stop_grace: Duration = Duration("10s")
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Migrations:
    """How the schema is moved. command runs in the NEW release.

    pending prints one name per line, nothing when none is pending. online says that the version
    now live keeps working on the new schema, so that it need not be stopped. service is whose
    image they run in where releases are images; the first one unless it is named.
    """

    command: Command
    pending: Command | None = None
    service: str = ""
    online: bool = False
    timeout: Duration = Duration("30m")


@dataclass(frozen=True, kw_only=True)
class Database:
    """The database of an environment: the path of an SQLite file, or the postgresql:// address
    that the application uses.
    """

    sqlite: str = ""
    postgres: str = ""
    migrations: Migrations | None = None


@dataclass(frozen=True, kw_only=True)
class Build:
    """How a release is made from its commit. The commands run in the release folder."""

    commands: tuple[Command, ...] = ()
    timeout: Duration = Duration("15m")


@dataclass(frozen=True, kw_only=True)
class Watch:
    """The window after a release in which gonogo decides by itself.

    no_go are conditions over error_rate, p95, p50, requests and server_errors. Fewer than minimum
    requests in the window decide nothing. source names where the numbers come from (sources/), log
    the file of the source access_log.
    """

    length: Duration = Duration("5m")
    every: Duration = Duration("10s")
    no_go: tuple[str, ...] = ("error_rate > 5%", "p95 > 5s")
    source: str = "proxy"
    log: str = ""
    minimum: int = 20


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A variable that people turn while a release runs. off is the value that means off.

    services are those that read it; where the engine can see that, it need not be said. build: it
    goes into the build, so turning it takes a new release.
    """

    off: str = "false"
    services: tuple[str, ...] = ()
    build: bool = False


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One place the application runs in.

    environment is put into the environment of every command of the application: build, services,
    migrations. variables declares what must be set, and of which type. on_no_go is rollback, ask,
    or `disable FLAG`. maintenance_page is an HTML file, relative to gonogo.yml.
    """

    name: str
    url: str = ""
    engine: dict[str, dict[str, Any]] = field(default_factory=lambda: {"local": {}})
    development: bool = False
    services: dict[str, Service] = field(default_factory=dict)
    build: Build = Build()
    database: Database | None = None
    environment: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, Flag] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    checks: tuple[dict[str, Any], ...] = ()
    watch: Watch | None = None
    on_no_go: str = "rollback"
    keep_releases: int = 5
    maintenance_page: str = ""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """All of `gonogo.yml`, checked."""

    app: str
    people: dict[str, Person] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    procedures: dict[str, Any] = field(default_factory=dict)
    waivers: tuple[dict[str, Any], ...] = ()

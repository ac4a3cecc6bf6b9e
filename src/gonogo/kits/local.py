"""The local engine: Supervisor, Traefik, git and files on this machine, for development."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.model.configuration import Environment
from gonogo.model.secret import Secret
from gonogo.ports import Clock, Kit, Values, Workshop


@dataclass(frozen=True, kw_only=True)
class Settings:
    """folder: where releases, state and logs lie; relative to gonogo.yml."""

    folder: str = ""


class LocalKit:
    """Builds the adapters of one environment on this machine."""

    settings = Settings

    def build(
        self,
        settings: Settings,
        *,
        project: Path,
        environment: Environment,
        configured: Callable[[str], Environment],
        values: Callable[[str], Values],
        clock: Clock,
        run: str,
    ) -> dict[str, Any]:
        """The adapters by the names they have in a Scene."""
        from gonogo.engines.folder_maker import FolderMaker
        from gonogo.engines.local import LocalEngine
        from gonogo.engines.local_inspector import LocalInspector
        from gonogo.engines.workshop import GitWorkshop
        from gonogo.hosts.local import LocalHost
        from gonogo.targets.files import state

        root = project / (settings.folder or f".gonogo/target/{environment.name}")
        host = LocalHost(mark=run)
        facts = values("").facts()

        def environment_of(
            release_id: str, flags: Mapping[str, str] | None = None
        ) -> Mapping[str, str | Secret]:
            return values(release_id).application(flags)

        maker = FolderMaker(host, environment.build, environment_of, facts)
        workshop = GitWorkshop(host, str(root), str(project), maker)
        engine = LocalEngine(
            root=root,
            services_of=lambda release: configured(release).services,
            folder_of=lambda release: str(root / "releases" / release),
            environment_of=environment_of,
            secrets_of=lambda release: values(release).secrets(),
            clock=clock,
            facts=facts,
        )
        return {
            "host": host,
            **state(host, str(root), clock),
            "workshop": workshop,
            "engine": engine,
            "inspector": LocalInspector(root, engine, ["traefik"], clock),
            **_traffic(environment, root, clock),
            **_database(environment, project, root, values(""), workshop, clock),
        }


def _traffic(environment: Environment, root: Path, clock: Clock) -> dict[str, Any]:
    """The proxy, and the foundation that keeps it running."""
    from gonogo.engines.supervisor import SupervisorFoundation
    from gonogo.proxies.traefik import TraefikProxy

    ports = {name: one.port for name, one in environment.services.items() if one.port}
    proxy = TraefikProxy(root=root, ports=ports, clock=clock)
    programs = {"traefik": proxy.program}
    return {
        "proxy": proxy,
        "foundation": SupervisorFoundation(root=root, clock=clock, programs=programs),
    }


def _database(
    environment: Environment,
    project: Path,
    root: Path,
    values: Values,
    workshop: Workshop,
    clock: Clock,
) -> dict[str, Any]:
    """The database and its migrator, each None when it is not configured."""
    configured = environment.database
    if configured is None:
        return {"database": None, "migrator": None}
    from gonogo.databases.sqlite import SqliteDatabase, path_of
    from gonogo.migrators.command import CommandMigrator

    path = project / path_of(values.text(configured.sqlite))
    migrations = configured.migrations
    return {
        "database": SqliteDatabase(path, root / "copies", clock),
        "migrator": CommandMigrator(migrations, workshop) if migrations else None,
    }


KIT: Kit[Settings] = LocalKit()

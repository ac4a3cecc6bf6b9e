"""Docker Compose: the team's own compose files, a proxy in front, git and files on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gonogo.model.configuration import Environment
from gonogo.model.errors import PermanentError
from gonogo.model.reference import REFERENCE, plain
from gonogo.model.secret import Secret
from gonogo.ports import Clock, Completed, Host, Kit, Values

if TYPE_CHECKING:
    from gonogo.engines._compose import Compose


@dataclass(frozen=True, kw_only=True)
class Settings:
    """files: the compose files, relative to gonogo.yml (those Compose finds unless named).

    profiles: which are active. project: Compose's project name (the one it would choose unless
    given). proxy: which one. proxy_image: another image of it than gonogo was tried with. folder:
    where releases, state and copies lie.
    """

    files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    project: str = ""
    proxy: Literal["haproxy", "nginx", "traefik"] = "haproxy"
    proxy_image: str = ""
    folder: str = ""


class ComposeKit:
    """Builds the adapters of one environment on the Docker engine that `docker` talks to."""

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
        from gonogo.engines.compose import ComposeEngine
        from gonogo.engines.compose_inspector import ComposeInspector
        from gonogo.engines.images import Images
        from gonogo.engines.workshop import GitWorkshop
        from gonogo.hosts.local import LocalHost
        from gonogo.targets.files import state

        root = project / (settings.folder or f".gonogo/target/{environment.name}")
        host = LocalHost(mark=run)
        compose = _compose(settings, host, project, root, values)
        migrations = environment.database.migrations if environment.database else None
        images = Images(
            compose,
            build=environment.build,
            services_of=lambda release: configured(release).services,
            facts=values("").facts(),
            extra=tuple(environment.environment),
            links=environment.env_files,
            once=migrations.service if migrations else "",
        )
        workshop = GitWorkshop(host, str(root), str(project), images)
        return {
            "host": host,
            **state(host, str(root), clock),
            "workshop": workshop,
            "engine": ComposeEngine(
                compose,
                images,
                logs=root / "logs",
                services_of=lambda release: configured(release).services,
                folder_of=lambda release: root / "releases" / release,
                secrets_of=lambda release: values(release).secrets(),
            ),
            **_traffic(settings, environment, compose, root, clock),
            **_database(environment, compose, host, values, root, clock),
            "migrator": _migrator(migrations, workshop),
            "inspector": ComposeInspector(compose, environment.services),
        }


def _compose(
    settings: Settings, host: Host, project: Path, root: Path, values: Callable[[str], Values]
) -> Compose:
    """The team's compose project, under the name that docker compose would give it."""
    from gonogo.engines._compose import Compose, project_name

    def environment_of(
        release_id: str, flags: Mapping[str, str] | None = None
    ) -> Mapping[str, str | Secret]:
        known = values(release_id)
        return _whole(known.application(flags) if release_id else known.variables())

    given = environment_of("").get("COMPOSE_PROJECT_NAME", "")
    return Compose(
        host,
        name=settings.project or plain(given) or project_name(project, settings.files),
        project=project,
        root=root,
        files=settings.files,
        profiles=settings.profiles,
        environment_of=environment_of,
    )


def _whole(given: Mapping[str, str | Secret]) -> Mapping[str, str | Secret]:
    """The variables, all with their own value.

    docker compose puts references inside its .env file in, gonogo never expands a value: such a
    one would mean something else here.
    """
    for name, value in given.items():
        if REFERENCE.search(plain(value)):
            raise PermanentError(
                f"the value of {name} refers to another variable, and gonogo does not put that in",
                next_step=f"write the whole value of {name} into the env file",
            )
    return given


def _traffic(
    settings: Settings, environment: Environment, compose: Compose, root: Path, clock: Clock
) -> dict[str, Any]:
    """The proxy, and the foundation that keeps it and the team's other services running."""
    from gonogo.engines.compose_foundation import ComposeFoundation
    from gonogo.proxies._common import ContainedProxy, Surroundings
    from gonogo.proxies._maintenance import DEFAULT_PAGE

    async def reach(service: str) -> str:
        return await foundation.reach(service)

    async def inside(*command: str) -> Completed:
        return await foundation.inside(*command)

    def proxy_of(kind: str) -> ContainedProxy:
        module = import_module(f"gonogo.proxies.{kind}")
        around = Surroundings(
            folder=root / "proxy",
            ports={name: one.port for name, one in environment.services.items() if one.port},
            clock=clock,
            image=settings.proxy_image or module.IMAGE,
            reach=reach,
            inside=inside,
            page=compose.project / environment.maintenance_page
            if environment.maintenance_page
            else DEFAULT_PAGE,
        )
        made: ContainedProxy = module.CONTAINED(around)
        return made

    proxy = proxy_of(settings.proxy)
    foundation = ComposeFoundation(
        compose,
        services=environment.services,
        watch=environment.watch,
        proxy=proxy,
        proxy_of=proxy_of,
        clock=clock,
    )
    return {"proxy": proxy, "foundation": foundation}


def _database(
    environment: Environment,
    compose: Compose,
    host: Host,
    values: Callable[[str], Values],
    root: Path,
    clock: Clock,
) -> dict[str, Any]:
    """The database: the compose service that its address names."""
    configured = environment.database
    if configured is None or not configured.postgres:
        return {"database": None}
    from gonogo.databases._postgres_address import address_of
    from gonogo.databases.postgres import PostgresDatabase

    def url() -> Secret:
        return Secret(values("").text(configured.postgres))

    database = PostgresDatabase(
        host=host,
        compose=("docker", "compose", "-p", compose.name),
        service=address_of(url()).host,
        url=url,
        copies_folder=root / "copies",
        clock=clock,
    )
    return {"database": database}


def _migrator(migrations: Any, workshop: Any) -> Any:
    from gonogo.migrators.command import CommandMigrator

    return CommandMigrator(migrations, workshop) if migrations else None


KIT: Kit[Settings] = ComposeKit()

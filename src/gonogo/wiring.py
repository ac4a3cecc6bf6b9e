"""Floor 5: finds the plug-ins and builds everything. Nothing connects when it is built."""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from gonogo.model.configuration import Configuration, Environment
from gonogo.model.errors import BadConfiguration, NotFound, PermanentError, Refused
from gonogo.model.plan import Plan
from gonogo.model.redaction import Redactor
from gonogo.model.release import Manifest, Release
from gonogo.ports import Action, Check, Clock, Journal, Kit, Notifier, Scene, Source, Values, Worker

S = TypeVar("S")

KINDS = {
    "checks": "CHECK",
    "actions": "ACTION",
    "sources": "SOURCE",
    "notifiers": "NOTIFIER",
    "kits": "KIT",
}
"""Each folder of plug-ins, and the constant every module in it has."""


@cache
def plugin_names(kind: str) -> tuple[str, ...]:
    """Names of the plug-ins of a kind: our modules and the entry points `gonogo.<kind>`."""
    package = importlib.import_module(f"gonogo.{kind}")
    ours = (module.name for module in pkgutil.iter_modules(package.__path__))
    theirs = (point.name for point in entry_points(group=f"gonogo.{kind}"))
    return tuple(sorted({name for name in (*ours, *theirs) if not name.startswith("_")}))


@cache
def plugin(kind: str, name: str) -> Any:
    """A plug-in's constant, its module imported on first use. NotFound with a suggestion."""
    if name not in plugin_names(kind):
        close = difflib.get_close_matches(name, plugin_names(kind), n=1)
        hint = f"did you mean {close[0]}?" if close else f"one of: {', '.join(plugin_names(kind))}"
        raise NotFound(f"no {kind.removesuffix('s')} is called {name!r}", next_step=hint)
    for point in entry_points(group=f"gonogo.{kind}"):
        if point.name == name:
            return point.load()
    return getattr(importlib.import_module(f"gonogo.{kind}.{name}"), KINDS[kind])


class SettingsTypes(Mapping[str, Any]):
    """Names to settings types of one kind, looked up only when asked for."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __getitem__(self, name: str) -> Any:
        if name not in plugin_names(self._kind):
            raise KeyError(name)
        return getattr(plugin(self._kind, name), "settings", None)

    def __iter__(self) -> Iterator[str]:
        return iter(plugin_names(self._kind))

    def __len__(self) -> int:
        return len(plugin_names(self._kind))


class PackageCatalogue:
    """ports.Catalogue over the package's folders and the entry points."""

    def check(self, name: str) -> Check[Any]:
        """A check by name."""
        found: Check[Any] = plugin("checks", name)
        return found

    def action(self, name: str) -> Action[Any]:
        """An action by name."""
        found: Action[Any] = plugin("actions", name)
        return found

    def source(self, name: str) -> Source:
        """A source by name."""
        found: Source = plugin("sources", name)
        return found

    def notifier(self, name: str) -> Notifier:
        """A notifier by name."""
        found: Notifier = plugin("notifiers", name)
        return found

    def parse(self, settings_type: type[S], data: Mapping[str, Any], where: str) -> S:
        """Settings from plain values."""
        from gonogo.config.load import settings

        return settings(settings_type, data, where)


def from_plain(wanted: type[S], data: Any, where: str) -> S:
    """A dataclass from the plain values it was written as. BadConfiguration names where."""
    import msgspec

    try:
        return msgspec.convert(data, wanted)
    except msgspec.ValidationError as error:
        raise BadConfiguration([f"{where}: {error}"]) from error


@cache
def clock() -> Clock:
    """The system's clock, or the one in the file that GONOGO_CLOCK names (for tests)."""
    from gonogo.hosts.clock import FileClock, SystemClock

    path = os.environ.get("GONOGO_CLOCK")
    return FileClock(Path(path)) if path else SystemClock()


def load_configuration(project: Path, environment: str | None = None) -> Configuration:
    """The project's `gonogo.yml`, checked with the settings of every plug-in it uses."""
    from gonogo.config.find import FILE
    from gonogo.config.load import load

    return load(project / FILE, settings_types(), environment=environment)


def settings_types() -> dict[str, Mapping[str, Any]]:
    """For each kind of plug-in that `gonogo.yml` names, the settings types by name."""
    kinds = {"checks": "checks", "actions": "actions", "sources": "sources", "engines": "kits"}
    return {said: SettingsTypes(kind) for said, kind in kinds.items()}


@dataclass(frozen=True, kw_only=True)
class Site:
    """One environment of one project, seen from this machine: where its data lies, how to build.

    data holds the journal, the durable state and the output of runs (0700). With GONOGO_DATABASE
    (a PostgreSQL URL) journal and durable state are there instead, in a schema of their own. The
    same site as it was configured for another release hides with the same redactor; recorded are
    the plain values of that release.
    """

    project: Path
    configuration: Configuration
    environment: Environment
    recorded: Mapping[str, str] = field(default_factory=dict)
    hiding: Redactor = field(default_factory=Redactor, repr=False, compare=False)

    @cached_property
    def data(self) -> Path:
        """The data directory of this environment, made if needed."""
        base = Path(os.environ.get("GONOGO_DATA") or state_folder(self.project) / "data")
        folder = base / self.configuration.app / self.environment.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        base.chmod(0o700)
        return folder

    def values(self, release_id: str = "") -> Values:
        """What resolves references, for a release or for none."""
        from gonogo.config.values import EnvironmentValues

        return EnvironmentValues(
            self.environment,
            self.project,
            release=release_id,
            recorded=self.recorded,
            more=self.configuration.channels.values(),
            learn=self.hiding.learn,
        )

    @cached_property
    def redactor(self) -> Redactor:
        """The one redaction point: knows every secret of this environment.

        What is read later, from an env file that has changed meanwhile, it learns as it is read.
        """
        self.hiding.learn(self.values().secrets())
        return self.hiding

    def hide(self, manifest: Manifest) -> None:
        """Hide also the secrets of the configuration that a release was released with.

        Where that names an env file that is gone, there are none to be read.
        """
        with suppress(PermanentError):
            self.hiding.learn(with_configuration(self, manifest).values().secrets())

    @cached_property
    def database_url(self) -> str:
        """The team's PostgreSQL, if there is one."""
        return os.environ.get("GONOGO_DATABASE", "")

    @cached_property
    def schema(self) -> str:
        """The PostgreSQL schema of this environment."""
        return f"gonogo_{self.configuration.app}_{self.environment.name}".replace("-", "_")

    @cached_property
    def journal(self) -> Journal:
        """The journal of this environment."""
        redact = self.redactor.value
        if self.database_url:
            from gonogo.journal.postgres import PostgresJournal

            return PostgresJournal(self.database_url, self.schema, clock=clock(), redact=redact)
        from gonogo.journal.sqlite import SqliteJournal

        return SqliteJournal(self.data / "journal.db", clock=clock(), redact=redact)

    def alone(self) -> AbstractContextManager[None]:
        """Be the only worker on the team's PostgreSQL; Refused if another machine is at work."""
        if not self.database_url:
            return nullcontext()
        from gonogo.journal.postgres import alone

        return alone(self.database_url, self.schema)

    def output(self, run: str) -> Path:
        """The file with everything that a run's commands printed."""
        return self.data / "runs" / f"{run}.log"

    def looker(self, interpret: Callable[..., Any]) -> Worker:
        """What runs a procedure that only looks."""
        from gonogo.durable.inline import InlineWorker

        return InlineWorker(interpret, clock())

    def worker(self, interpret: Callable[..., Any]) -> Worker:
        """The durable worker; the caller owns the environment's worker lock."""
        from gonogo.durable.dbos import DbosWorker, sqlite_url

        url = self.database_url or sqlite_url(self.data / "dbos.db")
        return DbosWorker(url, f"{self.schema}_dbos", interpret)

    def scene(
        self,
        *,
        run: str = "",
        by: str = "",
        release: Release | None = None,
        previous: Manifest | None = None,
        t_zero: float = 0.0,
    ) -> Scene:
        """All a step may use, for one release."""
        name, settings = next(iter(self.environment.engine.items()))
        kit: Kit[Any] = plugin("kits", name)

        def of(release_id: str) -> Site:
            if previous and release_id == previous.release.id != (release and release.id):
                return with_configuration(self, previous)
            return self

        parts = kit.build(
            from_plain(kit.settings, settings, f"engine {name}"),
            project=self.project,
            environment=self.environment,
            configured=lambda release_id: of(release_id).environment,
            values=lambda release_id: of(release_id).values(release_id),
            clock=clock(),
            run=run,
        )
        return Scene(
            configuration=self.configuration,
            environment=self.environment,
            project=str(self.project),
            run=run,
            by=by,
            release=release,
            previous=previous,
            previous_services=of(previous.release.id).environment.services if previous else {},
            t_zero=t_zero,
            clock=clock(),
            values=self.values(release.id if release else ""),
            **parts,
        )


def state_folder(project: Path) -> Path:
    """`.gonogo` beside the file: kept out of git by a .gitignore of its own."""
    folder = project / ".gonogo"
    if not folder.exists():
        folder.mkdir(mode=0o700)
        (folder / ".gitignore").write_text("*\n")
    return folder


def find_site(project: Path, environment: str | None) -> Site:
    """The environment a command is about; without a name, the only one there is, or development."""
    from gonogo.config.find import default_environment

    configuration = load_configuration(project, environment)
    names = list(configuration.environments)
    if not names:
        raise Refused("gonogo.yml has no environments", next_step="add one below `environments`")
    environment = environment or default_environment(names)
    if environment is None:
        raise Refused("which environment?", next_step=f"name one of: {', '.join(names)}")
    if environment not in configuration.environments:
        close = difflib.get_close_matches(environment, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"one of: {', '.join(names)}"
        raise Refused(f"there is no environment {environment!r}", next_step=hint)
    return Site(
        project=project,
        configuration=configuration,
        environment=configuration.environments[environment],
    )


def site_of(plan: Plan) -> Site:
    """The site a plan was made for, with the configuration it was made with."""
    configuration = from_plain(Configuration, plan.configuration, f"run {plan.run}")
    return Site(
        project=Path(plan.project),
        configuration=configuration,
        environment=configuration.environments[plan.environment],
        recorded=plan.variables,
    )


def with_configuration(site: Site, manifest: Manifest) -> Site:
    """The site as it was configured for an earlier release: a rollback replays its manifest."""
    old = from_plain(Configuration, manifest.configuration, f"release {manifest.release.id}")
    return replace(
        site,
        configuration=old,
        environment=old.environments[site.environment.name],
        recorded=manifest.variables,
    )

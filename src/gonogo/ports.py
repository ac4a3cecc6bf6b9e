"""Floor 1: every protocol on one page. Each is small; an adapter in its own folder fulfils it.

Nothing connects when it is built: adapters reach out only inside their async methods. `describe`
methods are pure and give what `gonogo plan` prints.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gonogo.model.configuration import Command, Configuration, Environment, Service
from gonogo.model.diagnosis import Diagnosis, Part
from gonogo.model.errors import PermanentError
from gonogo.model.event import Anchor, Event
from gonogo.model.evidence import Finding
from gonogo.model.flag import AS_RELEASED, FlagValue, Readers, Variant
from gonogo.model.log import Log
from gonogo.model.plan import Operation, Plan
from gonogo.model.release import Manifest, Release
from gonogo.model.secret import Secret
from gonogo.model.target import Copy, Counters, Holder, Instance, Objection

Say = Callable[[str], None]
"""Takes one line of output; the receiver redacts it."""


Act = Callable[[], Coroutine[Any, Any, dict[str, Any]]]
"""What a durable step does: gives plain JSON values."""


class Clock(Protocol):
    """Where time comes from. Tests set it."""

    def now(self) -> float:
        """Seconds since the epoch."""

    async def sleep(self, seconds: float) -> None:
        """Wait that long on this clock."""


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A command that ended: exit code, its last output (at most 64 KiB), seconds it took.

    output has standard output and standard error as they came, stdout the former alone.
    """

    code: int
    output: str
    seconds: float
    stdout: str = ""


class Host(Protocol):
    """A machine commands run on. The only place where commands run and secrets are revealed."""

    async def run(
        self,
        command: Command,
        *,
        cwd: str,
        environment: Mapping[str, str | Secret],
        timeout: float,
        say: Say,
    ) -> Completed:
        """Run to the end. TemporaryError on timeout; cancelled: the process group is ended."""

    async def read(self, path: str) -> bytes | None:
        """A file's content; None when there is no such file."""

    async def write(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        """Write a 0600 file whole or not at all. exclusive: False if it was there already."""

    async def remove(self, path: str) -> None:
        """Remove a file; nothing happens when there is none."""

    async def end_orphans(self, run: str) -> Sequence[int]:
        """End what a killed worker of a run left running; their process ids."""


class Values(Protocol):
    """Resolves references at the moment of use."""

    def text(self, reference: str) -> str:
        """The text with `${NAME}`, `$url`, `$release` put in. PermanentError if one is not set."""

    def variables(self) -> Mapping[str, Secret]:
        """Every declared variable and everything from the env files."""

    def application(self, flags: Mapping[str, str] | None = None) -> Mapping[str, str | Secret]:
        """The environment of every command of the application; secrets stay Secret.

        flags are variables that win over all others.
        """

    def facts(self) -> Mapping[str, str]:
        """What `$url`, `$release`, `$environment` and `$project` stand for."""

    def missing(self) -> Sequence[str]:
        """Declared variables that have no value and need one."""

    def unset(self) -> Mapping[str, str]:
        """Variables the environment refers to that have no value, each with its place.

        The place is `gonogo.yml:line:column`.
        """

    def secrets(self) -> Sequence[str]:
        """Every value to redact."""


class Target(Protocol):
    """The state that lies on the target, so that any laptop can go on."""

    async def manifests(self) -> Sequence[Manifest]:
        """All kept releases, newest first."""

    async def live(self) -> Manifest | None:
        """The release now live."""

    async def keep(self, manifest: Manifest, *, live: bool) -> None:
        """Write a manifest and, if live, make it the live one, in one atomic step."""

    async def clear(self) -> None:
        """No release is live any more; manifests stay."""

    async def anchor(self) -> Anchor | None:
        """The journal head kept last."""

    async def keep_anchor(self, anchor: Anchor) -> None:
        """Keep the head of the journal of whoever worked here last."""

    async def forget(self, release_id: str) -> None:
        """Remove a manifest. Refused for the live one."""

    async def key(self) -> bytes:
        """The key of the hashes in manifests. It is made here once and never leaves."""


class Flags(Protocol):
    """The variables that people turn while a release runs. They lie on the target."""

    async def all(self) -> Mapping[str, FlagValue]:
        """Every flag that somebody has set, by its name."""

    async def keep(self, name: str, value: FlagValue | None) -> None:
        """Write one; None: it was never set."""


class Lock(Protocol):
    """Who may change the environment. It lies on the target."""

    async def holder(self) -> Holder | None:
        """The holder now, dead or alive."""

    async def epoch(self) -> int:
        """The epoch of the last holder, also after it gave the lock back."""

    async def take(self, holder: Holder, *, preempt: bool = False) -> Holder:
        """Take it, renew it or change its mode. Refused, naming the holder, if another has it."""

    async def release(self, run: str) -> None:
        """Give it back; nothing happens when another run has it."""

    @property
    def overtaken(self) -> Holder | None:
        """The other run whose place the last take() took, if any."""


class Workshop(Protocol):
    """Where releases are made and kept."""

    def describe(self, release: Release) -> Sequence[Operation]:
        """What prepare will do."""

    async def prepare(self, release: Release, say: Say) -> bool:
        """Export the commit and build it; False if that release was there already."""

    async def prepared(self) -> Sequence[str]:
        """Ids of the releases that are there whole."""

    async def run(
        self, release: Release, command: Command, *, timeout: float, say: Say
    ) -> Completed:
        """Run a command once in a release, with the application's variables."""

    async def publish(self, release_id: str) -> None:
        """Point the `current` link at a release, atomically, for people and tools that look."""

    async def places(self) -> Sequence[str]:
        """Folders of this machine in which releases are made and kept."""

    async def size(self, release_id: str) -> int:
        """Bytes that a release takes at most; what releases share is counted in each."""

    async def contents(self, release_id: str) -> Mapping[str, str]:
        """What a release was made of, each part with its id or hash; empty when git says all."""

    async def remove(self, release_id: str) -> None:
        """Remove a release's files."""


class Engine(Protocol):
    """Runs instances of services. Identity is by labels (service, release, number, variant)."""

    def describe(self, verb: str, service: str, release: Release) -> Sequence[Operation]:
        """What launch or retire will do to that service's instances of that release."""

    async def launch(
        self, service: str, release: Release, number: int, variant: Variant = AS_RELEASED
    ) -> Instance:
        """Start an instance beside whatever runs; the one already there is returned as it is."""

    async def readers(self, variable: str, release: Release) -> Readers:
        """Which services of a release a variable reaches, and when."""

    async def retire(self, instance: Instance) -> None:
        """SIGTERM, the service's stop_grace, SIGKILL, then remove every trace."""

    async def observe(self) -> Sequence[Instance]:
        """What is there now. An engine that is not running has nothing."""

    async def retired(self) -> Sequence[Instance]:
        """The last instance of each service that is gone and left a log."""

    async def log(self, instance: Instance, lines: int) -> Log:
        """The last lines that an instance wrote, without the secrets it was launched with."""


class Proxy(Protocol):
    """Moves traffic."""

    def describe(self, service: str, release: Release | None) -> Sequence[Operation]:
        """What point will do."""

    async def point(self, service: str, release: str, addresses: Sequence[str]) -> None:
        """Send the service's traffic to these addresses and return once that is in force."""

    async def observe(self) -> Mapping[str, Sequence[str]]:
        """For each service the addresses that get its traffic, now or after a restart."""

    async def settled(self, service: str) -> bool:
        """Whether what is written is what is in force; not so after a point() that was cut."""

    async def maintain(self, note: str) -> None:
        """Answer every request with the maintenance page: 503, with Retry-After.

        The note, kept with it, says who and why; an empty one ends that. Returns once it is in
        force, which it stays over a restart. point() works meanwhile, and nobody sees it.
        """

    async def maintenance(self) -> str:
        """The note of the maintenance that is on; empty when users are served."""

    async def url(self, service: str) -> str:
        """Where this machine reaches a service through the proxy; empty when it cannot."""

    async def counters(self, service: str, release: str) -> Counters | None:
        """What the proxy counted for a service in a release; None when it cannot tell."""


class Foundation(Protocol):
    """The long-running parts an engine needs (supervisor, proxy) outside any release."""

    async def up(self) -> None:
        """Make sure they run."""

    async def down(self, *, everything: bool = False) -> None:
        """Stop them; everything: also databases and the like. Instances are stopped before."""

    async def running(self) -> bool:
        """Whether they run."""

    async def objections(self) -> Sequence[Objection]:
        """What would make a rollout fail, found by looking only."""


class Inspector(Protocol):
    """Looks at what an engine stands on and runs, also when something is wrong with it."""

    async def ground(self) -> Sequence[Diagnosis]:
        """Whether the engine itself can be used. Never raises for what is wrong with it."""

    async def parts(self) -> Sequence[Part]:
        """Everything there is of the environment, and what is missing, with what each uses."""

    async def log(self, part: Part, lines: int) -> Log:
        """The last lines of a part that is no instance."""

    async def address(self, host: str) -> str:
        """Where this machine reaches a host that only the engine's networks know; else empty."""


class Database(Protocol):
    """A database that can be copied and put back."""

    def describe(self, verb: str, name: str) -> Sequence[Operation]:
        """What copy or restore will do."""

    async def copy(self, name: str) -> Copy:
        """A consistent copy, checked by reading it back; the one already there is returned."""

    async def copies(self) -> Sequence[Copy]:
        """The copies that are whole, newest first."""

    async def verify(self, name: str) -> Copy:
        """Read a copy back whole and note when. PermanentError unless it is as it was made."""

    async def restore(self, name: str) -> None:
        """Put a copy in the place of the database, atomically. Writers must be stopped."""

    async def forget(self, name: str) -> None:
        """Remove a copy; nothing happens when there is none."""

    async def fingerprint(self) -> str:
        """A hash of the schema; equal schemas have equal hashes. Empty: no database yet."""


class Migrator(Protocol):
    """Moves a schema from a release's own migrations."""

    def describe(self, release: Release) -> Sequence[Operation]:
        """What apply will run."""

    async def pending(self, release: Release, say: Say) -> Sequence[str] | None:
        """Names of the migrations not yet applied; None when that cannot be found out."""

    async def apply(self, release: Release, say: Say) -> Completed:
        """Apply them."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that a step may see and use. Building one connects to nothing."""

    configuration: Configuration
    environment: Environment
    project: str
    run: str
    by: str
    release: Release | None
    previous: Manifest | None
    previous_services: Mapping[str, Service] = field(default_factory=dict)
    t_zero: float
    clock: Clock
    values: Values
    host: Host
    target: Target
    lock: Lock
    flags: Flags
    workshop: Workshop
    engine: Engine
    proxy: Proxy
    foundation: Foundation
    database: Database | None
    migrator: Migrator | None
    inspector: Inspector | None = None
    say: Say = field(default=lambda line: None)

    def which(self, name: str) -> Release | None:
        """The release a setting names: `new` or `previous`."""
        if name == "new":
            return self.release
        if name == "previous":
            return self.previous.release if self.previous else None
        raise PermanentError(f"not a release: {name!r} (new or previous)")

    def services(self) -> Sequence[str]:
        """Names of the services of the new release, and of those only the previous one has."""
        return list({**self.environment.services, **self.previous_services})

    def service(self, name: str, release: Release | None) -> Service | None:
        """A service as it was configured for a release; None when that release has none such."""
        old = self.previous.release.id if self.previous else ""
        new = self.release.id if self.release else ""
        if release and release.id == old != new:
            return self.previous_services.get(name)
        if release and release.id == new:
            return self.environment.services.get(name)
        return self.environment.services.get(name) or self.previous_services.get(name)


S = TypeVar("S", contravariant=False)


class Check(Protocol[S]):
    """Looks, and judges what it sees. Changes nothing.

    settings is a frozen dataclass: the keys of the check in `gonogo.yml`. stage is when a team's
    check runs unless it says otherwise: before or after the release.
    """

    @property
    def settings(self) -> type[S]: ...

    @property
    def stage(self) -> str: ...

    def describe(self, settings: S, scene: Scene) -> Sequence[Operation]:
        """What will be looked at."""

    async def probe(self, settings: S, scene: Scene) -> Finding:
        """Look and judge."""


class Action(Protocol[S]):
    """Changes something, after having looked whether it is still to be done.

    An action about one service has the setting `service`; the planner makes a step per service.
    """

    @property
    def settings(self) -> type[S]: ...

    @property
    def loses_data(self) -> bool: ...

    def describe(self, settings: S, scene: Scene) -> Sequence[Operation]:
        """The exact command lines and targets."""

    async def observe(self, settings: S, scene: Scene) -> Finding | None:
        """Why there is nothing to do, or None when there is."""

    async def act(self, settings: S, scene: Scene) -> Finding:
        """Do it. Raises TemporaryError where another attempt may help."""


class Kit(Protocol[S]):
    """Puts together the adapters of an engine. Building connects to nothing.

    configured gives the environment as it was configured for a release, values what resolves its
    references, both by the release's id.
    """

    @property
    def settings(self) -> type[S]: ...

    def build(
        self,
        settings: S,
        *,
        project: Path,
        environment: Environment,
        configured: Callable[[str], Environment],
        values: Callable[[str], Values],
        clock: Clock,
        run: str,
    ) -> dict[str, Any]:
        """The adapters by the names they have in a Scene."""


class Source(Protocol):
    """Where a watch window gets its numbers."""

    def describe(self, scene: Scene) -> Sequence[Operation]:
        """What will be read."""

    async def read(self, scene: Scene) -> Counters | None:
        """Totals of the new release's services so far; None when there is nothing to read."""


class Notifier(Protocol):
    """Tells people."""

    async def send(self, channel: str, title: str, text: str) -> None:
        """Send. TemporaryError when it did not arrive."""


class Catalogue(Protocol):
    """Finds plug-ins by name: one folder per kind, one file per plug-in."""

    def check(self, name: str) -> Check[Any]:
        """NotFound, with a suggestion, when there is none."""

    def action(self, name: str) -> Action[Any]:
        """NotFound, with a suggestion, when there is none."""

    def source(self, name: str) -> Source:
        """NotFound, with a suggestion, when there is none."""

    def notifier(self, name: str) -> Notifier:
        """NotFound, with a suggestion, when there is none."""

    def parse(self, settings_type: type[S], data: Mapping[str, Any], where: str) -> S:
        """Settings from plain values. BadConfiguration when they do not fit."""


class Journal(Protocol):
    """The append-only record. What it says happened, happened."""

    def append(
        self, run: str, kind: str, body: Mapping[str, Any], *, step: str = "", attempt: int = 0
    ) -> Event:
        """Write an event, or return the one with the same run, step, attempt and kind."""

    def events(self, run: str, *, after: int = 0) -> Sequence[Event]:
        """A run's events in order, those with a greater sequence number than after."""

    def find(self, run: str, kind: str, *, step: str = "", attempt: int = 0) -> Event | None:
        """One event by its key."""

    def of_kind(self, kind: str) -> Sequence[Event]:
        """All events of a kind, oldest first."""

    def head(self) -> Anchor | None:
        """Where the journal stands now; None while it is empty."""

    def chain(self) -> Sequence[Event]:
        """Everything in order, for verification and export."""


class Durable(Protocol):
    """Remembers how far a run has come. Used only inside the interpreter."""

    async def step(self, name: str, act: Act) -> dict[str, Any]:
        """Run act once and remember its answer; on replay the remembered answer."""

    async def pause(self, seconds: float) -> None:
        """Wait that long, or less if somebody wakes the run."""


class Worker(Protocol):
    """Runs the interpreter durably, in this process."""

    def work(self, plan: Plan) -> None:
        """Start or go on with a run and return at once; it works in the background."""

    def wake(self, run: str) -> None:
        """Make a waiting run look again, whichever process works on it."""

    def close(self) -> None:
        """Leave. A run under way stays resumable."""

"""What lies on the target besides the application: who holds it, what runs on it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from gonogo.model.procedure import Hold


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds an environment.

    mode is hold (changing it) or reserve (waiting or watching). worker identifies the process:
    machine, boot, pid and its start time, so that a dead one can be proved dead. since and beat are
    in seconds since the epoch; until is when a reservation ends by itself. epoch grows by one with
    every new holder: a run that finds a greater one has been overtaken.
    """

    run: str
    person: str
    machine: str
    worker: str
    mode: Hold
    since: float
    beat: float
    until: float
    epoch: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "mode": str(self.mode)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Holder:
        """The inverse of to_json."""
        return Holder(**{**data, "mode": Hold(data["mode"])})


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One running copy of a service, recognised by its labels, never by counting.

    variant tells those of one release apart that were started with other flags. state is starting,
    running, stopping, failed or stopped. address is host:port, empty for a worker service. detail
    says more for a person (uptime, last exit). checked is true when the engine itself asks for its
    health: then state says all, and nobody else need ask.
    """

    service: str
    release: str
    number: int
    state: str
    address: str = ""
    detail: str = ""
    checked: bool = False
    restarts: int | None = None
    variant: str = ""

    @property
    def name(self) -> str:
        """A name that is unique on the target."""
        return instance_name(self.service, self.release, self.number, self.variant)

    @staticmethod
    def named(name: str, state: str, detail: str = "") -> Instance:
        """The instance of a name, when nothing else is left of it."""
        service, release, last = name.rsplit("--", 2)
        number, _, variant = last.partition(".")
        return Instance(
            service=service,
            release=release,
            number=int(number) if number.isdigit() else 0,
            state=state,
            detail=detail,
            variant=variant,
        )


def instance_name(service: str, release: str, number: int, variant: str = "") -> str:
    """What an instance is called wherever it has a name."""
    return f"{service}--{release}--{number}" + (f".{variant}" if variant else "")


@dataclass(frozen=True, kw_only=True)
class Objection:
    """Why a rollout would fail: where (file:line:column, if it is in a file) and what mends it."""

    text: str
    mend: str
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What a source counted since it started: totals that only grow.

    buckets maps an upper bound in seconds to how many requests took at most that long.
    """

    requests: float
    server_errors: float
    buckets: dict[float, float]


MADE_BY_RUNS = ("before-", "failed-", "replaced-", "safety-")
"""How the names of the copies begin that gonogo makes by itself."""

_COPY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def copy_before(release_id: str) -> str:
    """What the copy is called that is made before a release changes anything."""
    return f"before-{release_id}"


def is_copy_name(text: str) -> bool:
    """Whether a copy can be called so: it is the name of a file."""
    return bool(_COPY_NAME.fullmatch(text))


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A copy of a database. at is in seconds since the epoch, size in bytes, sha256 of the file.

    verified is when it was read back whole last; 0 when it was not what it had been.
    """

    name: str
    at: float
    size: int
    sha256: str
    fingerprint: str
    rows: dict[str, int]
    verified: float = 0.0

    @property
    def made_by_run(self) -> bool:
        """Whether gonogo made it by itself. The others were asked for, and stay until named."""
        return self.name.startswith(MADE_BY_RUNS)

"""A plan: every step of one run in order, with what it will do. A pure value that can be printed.

The plan is the input of the durable workflow and is kept in the journal, so it carries a format
version and references instead of secrets. A newer gonogo goes on with a run of a format it knows
and refuses any other by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gonogo.model.errors import Refused
from gonogo.model.plain import plain
from gonogo.model.procedure import Hold, Kind
from gonogo.model.release import Manifest, Release

FORMAT = 1
"""The plan format this version writes."""

READABLE = (1,)
"""The plan formats this version can go on with."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing a step will do, as printed by `gonogo plan`: where, and the exact command line."""

    where: str
    what: str


@dataclass(frozen=True, kw_only=True)
class PlanStep:
    """One step, ready to run. id is unique in the plan; undo is the step that takes it back."""

    id: str
    kind: Kind
    use: str
    title: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    operations: tuple[Operation, ...] = ()
    skip: str = ""
    needs: tuple[str, ...] = ()
    timeout: float = 3600.0
    retries: int = 0
    critical: bool = True
    undo: PlanStep | None = None
    loses_data: bool = False


@dataclass(frozen=True, kw_only=True)
class PlanPhase:
    """Steps with one gate."""

    id: str
    title: str
    steps: tuple[PlanStep, ...]
    at: float | None = None
    owner: str = ""
    gate: str = "all-critical-pass"
    hold: Hold = Hold.HOLD
    parallel: int = 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will do.

    run is its id. release is what will be live, previous the manifest of what is live now (None on
    the first deploy). configuration is all of it as plain JSON, references unresolved. t_zero is
    T-0 in seconds since the epoch. variables are plain values of an earlier release that the run
    goes back to: they win over today's. not_configured lists what could be looked at but is not
    set up; it is counted, never judged. remedy is done on a no-go instead of undoing the run.
    reason is a person's. preempt: it takes the environment's lock from whoever has it.
    """

    run: str
    app: str
    environment: str
    procedure: str
    title: str
    by: str
    machine: str
    project: str
    release: Release | None
    previous: Manifest | None
    configuration: dict[str, Any]
    phases: tuple[PlanPhase, ...]
    t_zero: float
    on_no_go: str = "rollback"
    remedy: tuple[PlanStep, ...] = ()
    reason: str = ""
    preempt: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    not_configured: tuple[str, ...] = ()
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return plain(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Plan:
        """The inverse of to_json. Raises Refused, naming the run, for a format it does not know."""
        if data.get("format") not in READABLE:
            raise Refused(
                f"run {data.get('run')} was planned in format {data.get('format')}, "
                f"and this gonogo reads {', '.join(map(str, READABLE))}",
                next_step="go on with the version of gonogo that started it, or: "
                f"gonogo abort {data.get('run')}",
            )
        release, previous = data["release"], data["previous"]
        return Plan(
            **{
                **data,
                "release": Release(**release) if release else None,
                "previous": Manifest.from_json(previous) if previous else None,
                "phases": tuple(_phase(phase) for phase in data["phases"]),
                "remedy": tuple(_step(step) for step in data.get("remedy", ())),
                "not_configured": tuple(data["not_configured"]),
            }
        )

    @property
    def only_looks(self) -> bool:
        """Whether no phase needs the environment's lock."""
        return all(phase.hold is Hold.NONE for phase in self.phases)

    def steps(self) -> list[PlanStep]:
        """All steps in order, without the ones that would only run to undo."""
        return [step for phase in self.phases for step in phase.steps]


def _phase(data: dict[str, Any]) -> PlanPhase:
    steps = tuple(_step(step) for step in data["steps"])
    return PlanPhase(**{**data, "steps": steps, "hold": Hold(data["hold"])})


def _step(data: dict[str, Any]) -> PlanStep:
    undo = data["undo"]
    return PlanStep(
        **{
            **data,
            "kind": Kind(data["kind"]),
            "operations": tuple(Operation(**operation) for operation in data["operations"]),
            "needs": tuple(data["needs"]),
            "undo": _step(undo) if undo else None,
        }
    )

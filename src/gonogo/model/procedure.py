"""Everything gonogo does is a procedure: phases of steps. Procedures are data, never a language."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a step is."""

    CHECK = "check"
    DO = "do"
    SIGN_OFF = "sign-off"
    WATCH = "watch"
    NOTIFY = "notify"


class Hold(StrEnum):
    """What a phase needs of the environment's lock.

    none: looks only. reserve: others see that a release is under way and are refused, only an
    emergency pre-empts it. hold: this run is changing the target.
    """

    NONE = "none"
    RESERVE = "reserve"
    HOLD = "hold"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step as written in a procedure, before it is planned for a release.

    use names the check, action, role (sign-off), source (watch) or channel (notify).
    undo is the action that reverses this one. needs are ids of steps of the same phase.
    retries counts further attempts, made only after temporary errors. A step that is not critical
    is a reason when it fails, not a stop.
    """

    id: str
    kind: Kind
    use: str
    title: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    when: str = ""
    needs: tuple[str, ...] = ()
    timeout: float = 3600.0
    retries: int = 0
    critical: bool = True
    undo: Undo | None = None


@dataclass(frozen=True, kw_only=True)
class Undo:
    """The action that takes a step back."""

    use: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Steps that belong together, with when they start, whose they are, and what lets them pass.

    at is in seconds from T-0, None for "straight after the phase before". parallel is how many
    steps may be under way at once.
    """

    id: str
    steps: tuple[Step, ...]
    title: str = ""
    at: float | None = None
    owner: str = ""
    gate: str = "all-critical-pass"
    hold: Hold = Hold.HOLD
    parallel: int = 1


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """A named list of phases. preempt: it takes the environment's lock from whoever has it."""

    name: str
    title: str
    phases: tuple[Phase, ...]
    preempt: bool = False

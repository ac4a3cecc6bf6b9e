"""What a gate decides from, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gonogo.model.evidence import Verdict


class Answer(StrEnum):
    """The three answers of a gate or of a watch window."""

    GO = "go"
    NO_GO = "no-go"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A step's verdict as the gate sees it. Not critical: a failure is a reason, not a stop.

    waivable: only what was looked at can be waived, never what failed to be done or a person's no.
    trouble is what a failure makes of the run (failed, no-go, refused).
    """

    step: str
    verdict: Verdict
    critical: bool
    waivable: bool = True
    found: str = ""
    trouble: str = "failed"
    next_step: str = ""


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A named person lets one check pass although it failed, for a reason, until a time (epoch)."""

    step: str
    by: str
    reason: str
    until: float


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer with its reasons, one sentence each."""

    answer: Answer
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"answer": str(self.answer), "reasons": list(self.reasons)}

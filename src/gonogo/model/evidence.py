"""What was found: a verdict with its evidence. Skip, error and undecided are never a pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The six results a step can have."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a step saw.

    expected and found are short sentences for a person; where is the place looked at; excerpt is
    a few lines of output; facts are JSON values that later steps and reports may use; samples
    are the measurements a watch decided on.
    """

    verdict: Verdict
    found: str
    expected: str = ""
    where: str = ""
    excerpt: str = ""
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The finding as plain JSON values, empty parts left out."""
        whole = {
            "verdict": str(self.verdict),
            "found": self.found,
            "expected": self.expected,
            "where": self.where,
            "excerpt": self.excerpt,
            "seconds": round(self.seconds, 3),
            "facts": self.facts,
            "samples": self.samples,
        }
        return {key: value for key, value in whole.items() if value not in ("", {}, [])}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Finding:
        """The inverse of to_json."""
        return Finding(**{**data, "verdict": Verdict(data["verdict"])})


def passed(found: str, **more: Any) -> Finding:
    """A finding with verdict pass."""
    return Finding(verdict=Verdict.PASS, found=found, **more)


def failed(found: str, **more: Any) -> Finding:
    """A finding with verdict fail."""
    return Finding(verdict=Verdict.FAIL, found=found, **more)

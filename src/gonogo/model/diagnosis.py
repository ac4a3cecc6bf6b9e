"""What `gonogo doctor` finds: how each thing is, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How a thing is. Unknown is never ok."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One thing that was looked at: what was seen in one line, the next command, lines of a log."""

    about: str
    state: State
    seen: str
    next: str = ""
    lines: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "about": self.about,
            "state": str(self.state),
            "seen": self.seen,
            "next": self.next,
            "lines": list(self.lines),
        }


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that runs, or should: an instance, the proxy, a service that is only kept.

    state is as that of an Instance, or missing; also `ended` for what did its work and is done.
    cpu is in percent of one processor, memory and limit in bytes; None where that is not known.
    instance is the name of the instance that it is, if it is one; look is what shows more of it.
    """

    name: str
    service: str
    state: str
    detail: str = ""
    instance: str = ""
    look: str = ""
    restarts: int | None = None
    cpu: float | None = None
    memory: int | None = None
    limit: int | None = None

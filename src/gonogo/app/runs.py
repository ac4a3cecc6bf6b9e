"""Runs as a person sees them, read from the journal with plain SQL. Never imports DBOS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.model.errors import ExitCode, NotFound
from gonogo.model.event import Event
from gonogo.ports import Journal

EXIT_CODES = {
    "ok": ExitCode.OK,
    "failed": ExitCode.FAILED,
    "aborted": ExitCode.FAILED,
    "no-go": ExitCode.NO_GO,
    "rolled-back": ExitCode.ROLLED_BACK,
    "partial": ExitCode.PARTIAL,
    "overtaken": ExitCode.PARTIAL,
    "refused": ExitCode.REFUSED,
    "waiting": ExitCode.WAITING,
    "interrupted": ExitCode.INTERRUPTED,
}
"""What a command answers for each outcome of a run."""


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run. outcome is empty while it is not over; waiting says what for.

    holds is false for a run that only looks, such as `check`.
    """

    id: str
    procedure: str
    release: str
    by: str
    planned: float
    outcome: str
    holds: bool
    headline: str = ""
    waiting: str = ""
    reason: str = ""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return bool(self.outcome)


def all_runs(journal: Journal) -> list[RunView]:
    """Every run, newest first."""
    ended = {event.run: event.body for event in journal.of_kind("ended")}
    return [_view(event, ended.get(event.run)) for event in reversed(journal.of_kind("planned"))]


def unfinished(journal: Journal, now: float) -> list[RunView]:
    """Runs that hold the environment and have not ended, newest first."""
    runs = (run for run in all_runs(journal) if run.holds and not run.over)
    return [with_waiting(run, journal, now) for run in runs]


def find_run(journal: Journal, wanted: str, now: float) -> RunView:
    """A run by its id, the beginning of one, or `last`. NotFound says which there are."""
    runs = all_runs(journal)
    fitting = [run for run in runs if run.id == wanted] or [
        run for run in runs if run.id.startswith(wanted)
    ]
    if wanted == "last":
        fitting = runs[:1]
    if len(fitting) == 1:
        return with_waiting(fitting[0], journal, now)
    known = ", ".join(run.id for run in (fitting or runs)[:5]) or "there are none yet"
    what = "more than one run begins with" if fitting else "there is no run"
    raise NotFound(f"{what} {wanted!r}", next_step=f"gonogo runs ({known})")


def with_waiting(run: RunView, journal: Journal, now: float) -> RunView:
    """The same run with what it waits for now."""
    if run.over:
        return run
    pending = waiting_for(journal.events(run.id), now)
    if pending is None:
        return run
    what = pending.body.get("title", "")
    text = f"{pending.step} ({what})" if pending.body["for"] == "sign-off" else what
    return RunView(**{**run.__dict__, "waiting": text})


def waiting_for(events: Sequence[Event], now: float) -> Event | None:
    """The wait that nothing has ended yet: no answer, no abort, and its time has not come."""
    if any(event.kind == "ended" for event in events):
        return None
    aborted = any(event.kind == "abort" for event in events)
    answered = {event.step for event in events if event.kind in ("sign-off", "result")}
    for wait in reversed([event for event in events if event.kind == "waiting"]):
        if aborted and wait.body.get("abortable", True):
            continue
        if wait.body["for"] == "sign-off" and wait.step not in answered:
            return wait
        if wait.body["for"] == "time" and wait.body["until"] > now:
            return wait
    return None


def results(events: Sequence[Event]) -> dict[str, dict[str, Any]]:
    """Each step's finding."""
    return {event.step: event.body for event in events if event.kind == "result"}


def _view(planned: Event, ended: dict[str, Any] | None) -> RunView:
    plan = planned.body["plan"]
    release = plan["release"]
    return RunView(
        id=planned.run,
        procedure=plan["procedure"],
        release=release["id"] if release else "",
        by=plan["by"],
        planned=planned.at,
        outcome=ended["outcome"] if ended else "",
        holds=any(phase["hold"] != "none" for phase in plan["phases"]),
        headline=ended.get("headline", "") if ended else "",
        reason=plan.get("reason", ""),
    )

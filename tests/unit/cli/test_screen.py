"""What a person is told before a run and at its end."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from gonogo.cli.screen import Screen, plan_lines
from gonogo.cli.show import event_line
from gonogo.model.event import GENESIS, Event
from gonogo.model.plan import Operation, Plan, PlanPhase, PlanStep
from gonogo.model.procedure import Kind
from gonogo.model.release import Manifest, Release

UNDO = PlanStep(
    id="undo:launch:web",
    kind=Kind.DO,
    use="retire",
    operations=(Operation(where="this machine", what="SIGTERM"),),
)
LAUNCH = PlanStep(id="launch:web", kind=Kind.DO, use="launch", undo=UNDO)
ENDED: dict[str, Any] = {
    "outcome": "partial",
    "headline": "no disk left",
    "left": ["undo:launch:web"],
    "next": "gonogo show update-1 says why",
}


def plan(**more: Any) -> Plan:
    whole: dict[str, Any] = {
        "run": "update-1",
        "app": "shop",
        "environment": "development",
        "procedure": "update",
        "title": "Update",
        "by": "aiko",
        "machine": "desk",
        "project": "/project",
        "release": None,
        "previous": None,
        "configuration": {},
        "phases": (PlanPhase(id="execute", title="Update", steps=(LAUNCH,)),),
        "t_zero": 0.0,
    }
    return Plan(**{**whole, **more})


def ended() -> Event:
    return Event(
        sequence=1,
        run="update-1",
        step="",
        attempt=0,
        kind="ended",
        at=0.0,
        body=ENDED,
        previous=GENESIS,
        hash="",
    )


def test_what_was_not_undone_is_shown_with_what_it_would_have_done() -> None:
    shown = io.StringIO()
    Screen(Console(file=shown, width=200), plan()).show(ended())
    assert shown.getvalue().strip().splitlines() == [
        "Partly undone. gonogo show update-1",
        "  not undone: undo:launch:web",
        "      this machine: SIGTERM",
        "Next: gonogo show update-1 says why",
    ]


NEW, LIVE = Release(id="2026-01-02.1", commit="a" * 40), Release(id="2026-01-01.1", commit="a" * 40)


def update(new: Release, live: Release = LIVE, procedure: str = "update") -> Plan:
    manifest = Manifest(release=live, run="r", by="aiko", at="2026-01-01T00:00:00+00:00")
    return plan(release=new, previous=manifest, procedure=procedure)


def test_a_commit_that_is_live_already_is_released_again_and_that_is_said() -> None:
    said = (
        "Commit aaaaaaa is live already, as 2026-01-01.1; "
        "it is built and released again, with today's configuration."
    )
    assert plan_lines(update(NEW))[0] == said
    shown = io.StringIO()
    Screen(Console(file=shown, width=200), update(NEW)).header()
    assert said in shown.getvalue()


@pytest.mark.parametrize(
    "made",
    [
        update(replace(NEW, commit="b" * 40)),
        update(replace(NEW, dirty=True)),
        update(NEW, replace(LIVE, dirty=True)),
        update(NEW, procedure="rollback"),
        update(LIVE, procedure="start"),
        plan(release=NEW),
    ],
)
def test_nothing_is_said_about_another_commit(made: Plan) -> None:
    assert "live already" not in plan_lines(made)[0]


def test_the_record_names_what_was_not_undone() -> None:
    assert event_line(ended()) == "ended: partial no disk left; not undone: undo:launch:web"

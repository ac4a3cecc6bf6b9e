"""What a run waits for, as `status`, `approve` and `--no-wait` see it."""

from __future__ import annotations

from typing import Any

from gonogo.app.runs import waiting_for
from gonogo.model.event import GENESIS, Event


def event(sequence: int, kind: str, step: str = "", **body: Any) -> Event:
    return Event(
        sequence=sequence,
        run="run-1",
        step=step,
        attempt=0,
        kind=kind,
        at=float(sequence),
        body=body,
        previous=GENESIS,
        hash="",
    )


ASKED = event(1, "waiting", "final", **{"for": "sign-off", "title": "sign"})
FORCED = event(1, "waiting", "allow", **{"for": "sign-off", "title": "lose", "abortable": False})
TIMED = event(1, "waiting", "start:late", **{"for": "time", "title": "late", "until": 100.0})


def test_an_open_sign_off_is_waited_for() -> None:
    assert waiting_for([ASKED], 5.0) is ASKED


def test_an_answer_ends_the_wait() -> None:
    assert waiting_for([ASKED, event(2, "sign-off", "final", approved=True)], 5.0) is None


def test_a_time_is_waited_for_until_it_has_come() -> None:
    assert waiting_for([TIMED], 99.0) is TIMED
    assert waiting_for([TIMED], 100.0) is None


def test_an_abort_ends_a_wait_unless_the_abort_itself_has_to_ask() -> None:
    abort = event(2, "abort", by="aiko")
    assert waiting_for([ASKED, abort], 5.0) is None
    assert waiting_for([FORCED, abort], 5.0) is FORCED


def test_a_run_that_is_over_waits_for_nothing() -> None:
    assert waiting_for([ASKED, event(2, "ended", outcome="ok")], 5.0) is None

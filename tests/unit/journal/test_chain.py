"""A chain that was changed, cut or made anew is noticed, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gonogo.journal.chain import broken
from gonogo.model.event import GENESIS, Anchor, Event, digest


def make(count: int, mark: str = "x") -> list[Event]:
    events: list[Event] = []
    for number in range(1, count + 1):
        content: dict[str, Any] = {
            "sequence": number,
            "run": "run-1",
            "step": f"step-{number}",
            "attempt": 0,
            "kind": "result",
            "at": float(number),
            "body": {"found": mark},
            "previous": events[-1].hash if events else GENESIS,
        }
        events.append(Event(**content, hash=digest(**content)))
    return events


def anchor(events: list[Event]) -> Anchor:
    return Anchor(journal=events[0].hash, sequence=len(events), hash=events[-1].hash)


def test_a_whole_chain_is_whole() -> None:
    assert broken(make(5), anchor(make(5))) == ""
    assert broken([]) == ""


@pytest.mark.parametrize("number", range(5))
def test_a_changed_event_is_named(number: int) -> None:
    events = make(5)
    events[number] = replace(events[number], body={"found": "all well"})
    assert f"event {number + 1} " in broken(events)


def test_a_removed_event_is_named() -> None:
    events = make(5)
    del events[2]
    assert "event 3 is missing" in broken(events)


def test_a_rehashed_event_no_longer_fits_the_next() -> None:
    events = make(5)
    changed = make(3, "y")[2]
    content = {**changed.__dict__, "previous": events[1].previous}
    content.pop("hash")
    events[1] = Event(**{**content, "sequence": 2}, hash=digest(**{**content, "sequence": 2}))
    assert broken(events)


def test_a_cut_tail_is_noticed_only_through_the_anchor() -> None:
    events = make(5)
    assert broken(events[:3]) == ""
    assert "event 5" in broken(events[:3], anchor(events))


def test_another_journals_anchor_says_nothing() -> None:
    assert broken(make(3), anchor(make(5, "y"))) == ""

"""Checking a journal: every event follows from the one before it, or where it does not."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.model.event import GENESIS, Anchor, Event, digest


def broken(events: Sequence[Event], anchor: Anchor | None = None) -> str:
    """Where the chain is broken and how, in one sentence; empty when it is whole.

    A chain proves that nothing before its head was changed, not that nothing was cut off after it
    or that it was not made anew: an anchor kept elsewhere proves that up to its own event.
    """
    if anchor and events and events[0].hash == anchor.journal:
        there = events[anchor.sequence - 1].hash if anchor.sequence <= len(events) else ""
        if there != anchor.hash:
            return f"event {anchor.sequence} is not the one that the target remembers"
    previous = GENESIS
    for position, event in enumerate(events, start=1):
        if event.sequence != position:
            return f"event {position} is missing: the next one is {event.sequence}"
        if event.previous != previous:
            return f"event {position} does not follow the event before it"
        if event.hash != _recompute(event):
            return f"event {position} ({event.kind} of {event.run}) was changed"
        previous = event.hash
    return ""


def _recompute(event: Event) -> str:
    return digest(
        sequence=event.sequence,
        run=event.run,
        step=event.step,
        attempt=event.attempt,
        kind=event.kind,
        at=event.at,
        body=event.body,
        previous=event.previous,
    )

"""Not one failed request while the portal is updated again and again.

GONOGO_PROOF_REQUESTS says how many requests there are to be (20,000), GONOGO_PROOF_RATE how many a
second: no more than the machine carries, or the failures are those of the machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .proof import write_results

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "demo"))

from stage import Stage, Traffic

pytestmark = pytest.mark.alone

REQUESTS = int(os.environ.get("GONOGO_PROOF_REQUESTS") or 20_000)
RATE = float(os.environ.get("GONOGO_PROOF_RATE") or 160)
UPDATES = 10
REPLACE = {"length: 10s": "length: 2s", "every: 2s": "every: 1s"}


@pytest.fixture
def stage() -> Iterator[Stage]:
    """The portal, release 1 deployed."""
    made = Stage(REPLACE)
    try:
        with tempfile.TemporaryFile("w+") as output:
            _run(made, "deploy", output)
        yield made
    finally:
        made.end()


@pytest.fixture
def traffic(stage: Stage) -> Iterator[Traffic]:
    """Customers who use it."""
    customers = Traffic(stage, RATE)
    try:
        assert customers.begun()
        yield customers
    finally:
        customers.kill()


def test_no_request_fails_in_many_updates(stage: Stage, traffic: Traffic) -> None:
    updates = 0
    with tempfile.TemporaryFile("w+") as output:
        while updates < UPDATES or traffic.requests < REQUESTS:
            stage.git("checkout", "v1" if updates % 2 else "v2")
            _run(stage, "update", output)
            updates += 1
    seen = traffic.stop()
    write_results("zero_failures", _figures(updates, seen))
    assert seen["failures"][:20] == []
    assert (seen["failed"], seen["not_sent"]) == (0, 0)
    assert seen["requests"] >= REQUESTS


def _run(stage: Stage, command: str, output: Any) -> None:
    code = stage.gonogo(command, "--no-wait", output=output)
    output.seek(0)
    assert code == 0, output.read()
    output.seek(0)
    output.truncate()


def _figures(updates: int, seen: dict[str, Any]) -> dict[str, Any]:
    """What is kept: the counts, the times, and the first failures."""
    return {
        "updates": updates,
        "rate": round(seen["requests"] / seen["seconds"], 1),
        **{name: seen[name] for name in ("requests", "failed", "not_sent", "seconds")},
        **{name: seen[name] for name in ("p95_ms", "max_ms")},
        "failures": seen["failures"][:20],
    }

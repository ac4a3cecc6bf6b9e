"""A process that works on one run: `python durable_child.py URL SCHEMA FOLDER`.

It takes the orders `work`, `wake` and `close` on its standard input and notes what happens, with
the time, in FOLDER/notes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from gonogo.durable.dbos import DbosWorker
from gonogo.model.errors import Refused
from gonogo.model.plan import Plan
from gonogo.ports import Durable

RUN = "run-1"


def plan(script: list[str]) -> Plan:
    """A run that does what the script says: `step`, `slow`, `refuse` or a pause in seconds."""
    return Plan(
        run=RUN,
        app="shop",
        environment="test",
        procedure="update",
        title="Update",
        by="somebody",
        machine="here",
        project="/nowhere",
        release=None,
        previous=None,
        configuration={"script": script},
        phases=(),
        t_zero=0.0,
    )


class Notes:
    """What happened, one JSON list on each line; written at once, so that a kill loses nothing."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notes"
        self.slow = folder / "slow-may-end"

    def add(self, what: str) -> None:
        line = json.dumps([time.time(), os.getpid(), what]) + "\n"
        with open(self.path, "a") as file:
            file.write(line)

    def all(self) -> list[tuple[float, int, str]]:
        """Time, process, what."""
        if not self.path.exists():
            return []
        return [tuple(json.loads(line)) for line in self.path.read_text().splitlines()]


def main(url: str, schema: str, folder: str) -> None:
    """Obey until `close` or the end of the input."""
    notes = Notes(Path(folder))

    async def interpret(data: dict[str, Any], durable: Durable) -> dict[str, Any]:
        for number, what in enumerate(data["configuration"]["script"]):
            if what in ("step", "slow", "refuse"):
                try:
                    await durable.step(f"step-{number}", partial(act, number, what))
                except Refused as error:
                    notes.add(f"refused {number}: {error.message}, {error.next_step}")
            else:
                notes.add(f"pausing {number}")
                await durable.pause(float(what))
                notes.add(f"paused {number}")
        return {"outcome": "ok"}

    async def act(number: int, what: str) -> dict[str, Any]:
        notes.add(f"begin {number}")
        if what == "refuse":
            raise Refused("not now", next_step="later")
        while what == "slow" and not notes.slow.exists():
            await asyncio.sleep(0.02)
        notes.add(f"end {number}")
        return {"number": number}

    worker = DbosWorker(url, schema, interpret)
    notes.add("ready")
    for order in sys.stdin:
        match order.split():
            case ["work", *script]:
                worker.work(plan(script))
            case ["wake"]:
                worker.wake(RUN)
            case ["close"]:
                break
    worker.close()
    notes.add("closed")


if __name__ == "__main__":
    main(*sys.argv[1:])

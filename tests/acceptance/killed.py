"""Runs the gonogo command in a process that kills itself at one chosen moment.

The moments of a run are numbered: each journal write has one just before and one just after it,
and each durable step has one just after its position was stored. KILL_AT is the number of the
moment; MOMENTS names a file that gets the name of every moment as it passes.
"""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from typing import Any

from gonogo.cli.main import main
from gonogo.durable.dbos import DbosDurable
from gonogo.journal.sqlite import SqliteJournal
from gonogo.model.event import Event

_numbers = itertools.count(1)


def moment(name: str) -> None:
    """Note that a moment passes; die if it is the chosen one."""
    number = next(_numbers)
    if path := os.environ.get("MOMENTS"):
        with Path(path).open("a") as file:
            file.write(f"{name}\n")
    if number == int(os.environ.get("KILL_AT") or 0):
        os.kill(os.getpid(), signal.SIGKILL)


def watch_journal() -> None:
    """Put a moment on both sides of each journal write."""
    real = SqliteJournal.append

    def append(journal: Any, run: str, kind: str, body: Any, **more: Any) -> Event:
        what = f"{kind} {more.get('step', '')}".strip()
        moment(f"before journal: {what}")
        event = real(journal, run, kind, body, **more)
        moment(f"after journal: {what}")
        return event

    setattr(SqliteJournal, "append", append)  # noqa: B010


def watch_steps() -> None:
    """Put a moment after each stored position."""
    real = DbosDurable.step

    async def step(durable: Any, name: str, act: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await real(durable, name, act)
        moment(f"after step: {name}")
        return answer

    setattr(DbosDurable, "step", step)  # noqa: B010


if __name__ == "__main__":
    watch_journal()
    watch_steps()
    main()

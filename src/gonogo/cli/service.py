"""`gonogo worker`: owns an environment's data directory and works on its runs until stopped.

Commands see that a service owns the directory, write their plan into the journal and follow.
"""

from __future__ import annotations

import contextlib
import signal
import time

from rich.console import Console

from gonogo.app.drive import TICK, Keeper, interpreter, owned
from gonogo.app.runs import unfinished
from gonogo.cli.session import SERVICE
from gonogo.model.errors import GonogoError, Refused
from gonogo.model.plan import Plan
from gonogo.ports import Worker
from gonogo.wiring import Site, clock


def serve(site: Site, console: Console) -> None:
    """Work until SIGTERM or Ctrl-C. Runs under way stay resumable and go on at the next start."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with owned(site, SERVICE), contextlib.ExitStack() as leaving:
        leaving.callback(
            console.print, "stopped; runs under way go on when a worker is there again"
        )
        leaving.enter_context(contextlib.suppress(KeyboardInterrupt))
        worker = site.worker(interpreter(site))
        leaving.callback(worker.close)
        console.print(f"working on {site.configuration.app} → {site.environment.name}")
        _serve(site, worker, console)


def _serve(site: Site, worker: Worker, console: Console) -> None:
    keeper = Keeper(site, worker)
    taken: set[str] = set()
    while True:
        for run in unfinished(site.journal, clock().now()):
            if run.id not in taken:
                taken.add(run.id)
                _take(site, worker, run.id, console)
            if any(event.kind == "crashed" for event in keeper.tick(run.id)):
                raise GonogoError(
                    f"run {run.id} met an error in gonogo itself; the log has the details",
                    next_step="start the worker again: the run goes on",
                )
        time.sleep(TICK)


def _take(site: Site, worker: Worker, run: str, console: Console) -> None:
    planned = site.journal.find(run, "planned")
    assert planned is not None
    try:
        worker.work(Plan.from_json(planned.body["plan"]))
        console.print(f"run {run}")
    except Refused as error:
        console.print(f"not run: {error.message}. {error.next_step}")

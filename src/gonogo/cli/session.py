"""A command that works: it is the worker itself, in the foreground, and shows the run.

Ctrl-C asks whether to stop here (resumable) or to abort and undo. SIGTERM stops and leaves the run
resumable. When a service owns the data directory, the service works and the command follows.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from rich.console import Console

from gonogo.app.drive import TICK, Keeper, interpreter, owned, owner
from gonogo.app.runs import EXIT_CODES, unfinished, waiting_for
from gonogo.app.start import person
from gonogo.cli.screen import Screen, as_json
from gonogo.model.errors import ExitCode, GonogoError, Interrupted, Refused
from gonogo.model.event import Event
from gonogo.model.plan import Plan
from gonogo.wiring import Site, clock

SERVICE = "the gonogo service"
"""How a service names itself as the owner of a data directory."""


class _Stop(Exception):
    """SIGTERM arrived."""


def begin(site: Site, plan: Plan, console: Console, *, json: bool, wait: bool = True) -> ExitCode:
    """Start a run and see it to its end (or, with wait off, until it waits for something)."""
    if plan.only_looks:
        _keep_plan(site, plan)
        return _work(site, plan, console, json=json, wait=wait)
    if owner(site).startswith(SERVICE):
        _refuse_unfinished(site)
        _keep_plan(site, plan)
        return _follow(site, plan, console, json=json, tick=None, wait=wait)
    with owned(site, f"gonogo {plan.procedure} by {plan.by}"):
        _refuse_unfinished(site)
        _keep_plan(site, plan)
        return _work(site, plan, console, json=json, wait=wait)


def go_on(site: Site, run: str, console: Console, *, json: bool, wait: bool = True) -> ExitCode:
    """Go on with a run that was interrupted or stopped."""
    planned = site.journal.find(run, "planned")
    assert planned is not None
    plan = Plan.from_json(planned.body["plan"])
    if owner(site).startswith(SERVICE):
        return _follow(site, plan, console, json=json, tick=None, wait=wait)
    with owned(site, f"gonogo resume {run}"):
        return _work(site, plan, console, json=json, wait=wait)


def _refuse_unfinished(site: Site) -> None:
    for run in unfinished(site.journal, clock().now()):
        state = f"waits for {run.waiting}" if run.waiting else "was interrupted"
        raise Refused(
            f"run {run.id} of {run.by} is not over: it {state}",
            next_step=f"gonogo resume {run.id}, or gonogo abort {run.id}",
        )


def _keep_plan(site: Site, plan: Plan) -> None:
    """Write the plan into the journal. Refused if a secret's value stands in it."""
    data = plan.to_json()
    if site.redactor.value(data) != data:
        text = as_json(data)
        seen = [name for name, one in site.values().variables().items() if one.reveal() in text]
        raise Refused(
            f"the value of {', '.join(seen) or 'a secret'} stands in gonogo.yml as it is, "
            "and the record would show it",
            next_step="write ${NAME} in its place; if it is no secret, declare it as enum, "
            "integer, port, boolean, origin or url",
        )
    site.journal.append(plan.run, "planned", {"plan": data})


def _work(site: Site, plan: Plan, console: Console, *, json: bool, wait: bool) -> ExitCode:
    signal.signal(signal.SIGTERM, _on_sigterm)
    interpret = interpreter(site)
    with contextlib.ExitStack() as leaving:
        try:
            worker = site.looker(interpret) if plan.only_looks else site.worker(interpret)
            leaving.callback(worker.close)
            keeper = Keeper(site, worker)
            worker.work(plan)
            return _follow(
                site, plan, console, json=json, tick=lambda: keeper.tick(plan.run), wait=wait
            )
        except (_Stop, KeyboardInterrupt):
            raise _stopped(plan) from None


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise _Stop


def _follow(
    site: Site,
    plan: Plan,
    console: Console,
    *,
    json: bool,
    tick: Callable[[], list[Event]] | None,
    wait: bool,
) -> ExitCode:
    screen = Screen(console, plan, quiet=json)
    screen.header()
    before = max((event.sequence for event in site.journal.events(plan.run)), default=0)
    seen = 0

    def look() -> list[Event]:
        return list(site.journal.events(plan.run, after=seen))

    while True:
        try:
            for event in (tick or look)():
                seen = event.sequence
                screen.show(event)
                if event.kind == "crashed" and event.sequence > before:
                    raise _crashed(plan, event)
                if event.kind == "ended":
                    return _answer(site, plan, event.body, console, json)
            if not wait and waiting_for(site.journal.events(plan.run), clock().now()):
                screen.close()
                return _answer(site, plan, {"outcome": "waiting"}, console, json)
            time.sleep(TICK)
        except KeyboardInterrupt:
            screen.close()
            _ask(site, plan, console)
        except _Stop:
            screen.close()
            raise _stopped(plan) from None


def _ask(site: Site, plan: Plan, console: Console) -> None:
    """Ctrl-C: stop here, or abort and undo. Without a terminal it stops here."""
    if not sys.stdin.isatty():
        raise _stopped(plan) from None
    console.print("\n[bold]s[/] stop here, go on later · [bold]a[/] abort and undo · Enter: go on")
    try:
        said = input("> ").strip().lower()
    except (KeyboardInterrupt, EOFError):
        said = "s"
    if said.startswith("s"):
        raise _stopped(plan) from None
    if said.startswith("a"):
        site.journal.append(plan.run, "abort", {"by": person()})


def _stopped(plan: Plan) -> GonogoError:
    return Interrupted(f"stopped; run {plan.run} can go on", next_step=f"gonogo resume {plan.run}")


def _crashed(plan: Plan, event: Event) -> GonogoError:
    return GonogoError(
        f"an error in gonogo itself: {event.body['found']}; the log has the details",
        next_step=f"gonogo resume {plan.run} goes on, gonogo abort {plan.run} undoes",
    )


def _answer(
    site: Site, plan: Plan, ended: dict[str, Any], console: Console, json: bool
) -> ExitCode:
    code = EXIT_CODES[ended["outcome"]]
    if json:
        release = plan.release.id if plan.release else None
        print(as_json({"run": plan.run, "release": release, **ended, "exit_code": int(code)}))
    return code

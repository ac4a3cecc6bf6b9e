"""A command that works: it is the worker itself, in the foreground, and shows the run.

Ctrl-C asks whether to stop here (resumable) or to abort and undo. SIGTERM stops and leaves the run
resumable. When a service owns the data directory, the service works and the command follows: it can
leave at any time, and the run goes on.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from rich.console import Console

from gonogo.app.drive import TICK, Keeper, interpreter, oust, owned, owner
from gonogo.app.runs import EXIT_CODES, unfinished, waiting_for
from gonogo.app.start import person
from gonogo.cli.screen import Screen, as_json
from gonogo.model.errors import ExitCode, GonogoError, Interrupted, Refused
from gonogo.model.event import Event
from gonogo.model.plan import Plan
from gonogo.wiring import Site, clock

SERVICE = "the gonogo service"
"""How a service names itself as the owner of a data directory."""


PATIENCE = 30.0
"""Seconds a command waits for a service that has gone to come back."""


class _Stop(Exception):
    """SIGTERM arrived."""


def begin(site: Site, plan: Plan, console: Console, *, json: bool, wait: bool = True) -> ExitCode:
    """Start a run and see it to its end (or, with wait off, until it waits for something)."""
    if plan.only_looks:
        _keep_plan(site, plan)
        return _work(site, plan, console, json=json, wait=wait)
    if owner(site).startswith(SERVICE):
        _refuse_unfinished(site, plan)
        _keep_plan(site, plan)
        return _follow(site, plan, console, json=json, wait=wait)
    if plan.preempt:
        oust(site)
    with owned(site, f"gonogo {plan.procedure} by {plan.by}"):
        _refuse_unfinished(site, plan)
        _keep_plan(site, plan)
        return _work(site, plan, console, json=json, wait=wait)


def go_on(site: Site, run: str, console: Console, *, json: bool, wait: bool = True) -> ExitCode:
    """Go on with a run that was interrupted or stopped."""
    planned = site.journal.find(run, "planned")
    assert planned is not None
    plan = Plan.from_json(planned.body["plan"])
    if owner(site).startswith(SERVICE):
        return _follow(site, plan, console, json=json, wait=wait)
    with owned(site, f"gonogo resume {run}"):
        return _work(site, plan, console, json=json, wait=wait)


def _refuse_unfinished(site: Site, plan: Plan) -> None:
    """One run after the other; only an emergency takes the place of one that is not over."""
    if plan.preempt:
        return
    for run in unfinished(site.journal, clock().now()):
        state = f"waits for {run.waiting}" if run.waiting else "was interrupted"
        pending = waiting_for(site.journal.events(run.id), clock().now())
        asked = pending and pending.body["for"] == "sign-off"
        go_on = f"approve {run.id} {pending.step}" if pending and asked else f"resume {run.id}"
        raise Refused(
            f"run {run.id} of {run.by} is not over: it {state}",
            next_step=f"gonogo {go_on}, or gonogo abort {run.id}",
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
            follow = _Follow(site=site, plan=plan, console=console, json=json, wait=wait)
            follow.tick = lambda: keeper.tick(plan.run)
            return follow.until_over()
        except (_Stop, KeyboardInterrupt):
            raise _stopped(plan) from None


def _follow(site: Site, plan: Plan, console: Console, *, json: bool, wait: bool) -> ExitCode:
    """Show a run that the service works on."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    return _Follow(site=site, plan=plan, console=console, json=json, wait=wait).until_over()


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise _Stop


@dataclass(kw_only=True)
class _Follow:
    """Shows a run's events until it ends. tick is the keeper's; a service has one of its own."""

    site: Site
    plan: Plan
    console: Console
    json: bool
    wait: bool
    tick: Callable[[], list[Event]] | None = None
    seen: int = 0
    worked: float = field(default_factory=time.monotonic)

    def until_over(self) -> ExitCode:
        """The run's exit code; Interrupted when a person or SIGTERM stops it here."""
        screen = Screen(self.console, self.plan, quiet=self.json)
        screen.header()
        before = list(self.site.journal.events(self.plan.run))
        old = before[-1].sequence if before else 0
        screen.recall(before, waiting_for(before, clock().now()))
        while True:
            try:
                # Asked first, so that what it waits for is among what is shown before it leaves.
                waits = not self.wait and self._waits()
                for event in (self.tick or self._look)():
                    self.seen = event.sequence
                    if event.sequence <= old:
                        continue
                    screen.show(event)
                    if event.kind == "crashed":
                        raise _crashed(self.plan, event)
                    if event.kind == "ended":
                        return self._answer(event.body)
                self._somebody_works()
                if waits:
                    screen.close()
                    return self._answer({"outcome": "waiting"})
                time.sleep(TICK)
            except KeyboardInterrupt:
                screen.close()
                self._ask()
            except _Stop:
                screen.close()
                raise self._left() from None

    def _look(self) -> list[Event]:
        return list(self.site.journal.events(self.plan.run, after=self.seen))

    def _waits(self) -> bool:
        events = self.site.journal.events(self.plan.run)
        return waiting_for(events, clock().now()) is not None

    def _somebody_works(self) -> None:
        """Interrupted when the service that was to work on the run is gone and stays away."""
        if self.tick is not None or owner(self.site):
            self.worked = time.monotonic()
        elif time.monotonic() - self.worked > PATIENCE:
            raise Interrupted(
                f"the service has stopped; run {self.plan.run} can go on",
                next_step=f"gonogo resume {self.plan.run}",
            )

    def _answer(self, ended: dict[str, Any]) -> ExitCode:
        code = EXIT_CODES[ended["outcome"]]
        if self.json:
            release = self.plan.release.id if self.plan.release else None
            whole = {"run": self.plan.run, "release": release, **ended, "exit_code": int(code)}
            print(as_json(whole))
        return code

    def _ask(self) -> None:
        """Ctrl-C: leave, or abort and undo. Without a terminal it leaves."""
        if not sys.stdin.isatty():
            raise self._left() from None
        leave = "stop here, go on later" if self.tick else "leave, the service goes on"
        self.console.print(f"\n[bold]s[/] {leave} · [bold]a[/] abort and undo · Enter: go on")
        try:
            said = input("> ").strip().lower()
        except (KeyboardInterrupt, EOFError):
            said = "s"
        if said.startswith("s"):
            raise self._left() from None
        if said.startswith("a"):
            self.site.journal.append(self.plan.run, "abort", {"by": person()})

    def _left(self) -> GonogoError:
        """What to say when this command ends before the run: whether the run stops with it."""
        if self.tick or not owner(self.site):
            return _stopped(self.plan)
        return Interrupted(
            f"left; the service goes on with run {self.plan.run}",
            next_step=f"gonogo show {self.plan.run}, or gonogo abort {self.plan.run}",
        )


def _stopped(plan: Plan) -> GonogoError:
    return Interrupted(f"stopped; run {plan.run} can go on", next_step=f"gonogo resume {plan.run}")


def _crashed(plan: Plan, event: Event) -> GonogoError:
    return GonogoError(
        f"an error in gonogo itself: {event.body['found']}; the log has the details",
        next_step=f"gonogo resume {plan.run} goes on, gonogo abort {plan.run} undoes",
    )

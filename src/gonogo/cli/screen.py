"""What a person sees while a run goes on: a line for each step, made from the journal's events.

On a terminal a moving line shows what is under way; elsewhere the same lines come plainly. With
--json nothing is shown until the end.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from gonogo.core.plan import lines
from gonogo.model.duration import spoken
from gonogo.model.event import Event
from gonogo.model.plan import Plan, PlanStep
from gonogo.model.procedure import Kind

_MARKS = {
    "pass": "[green]✔[/]",
    "warn": "[yellow]![/]",
    "fail": "[red]✘[/]",
    "error": "[red]✘[/]",
    "skip": "[dim]–[/]",
    "undecided": "[yellow]?[/]",
}

_OUTCOMES = {
    "ok": "[green]Done.[/]",
    "rolled-back": "[yellow]Rolled back.[/]",
    "no-go": "[red]No-go.[/]",
    "refused": "[yellow]Refused.[/]",
    "failed": "[red]Failed.[/]",
    "aborted": "[yellow]Aborted.[/]",
    "partial": "[red]Partly undone.[/]",
    "overtaken": "[red]Overtaken.[/]",
}


class Screen:
    """Shows a run. quiet (with --json) shows nothing."""

    def __init__(self, console: Console, plan: Plan, *, quiet: bool = False) -> None:
        self._console = console
        self._plan = plan
        self._quiet = quiet
        self._steps = {step.id: step for step in plan.steps()}
        self._steps |= {step.undo.id: step.undo for step in plan.steps() if step.undo}
        self._steps |= {step.id: step for step in plan.remedy}
        self._verdicts: Counter[str] = Counter()
        self._phase = ""
        self._began = 0.0
        self._status: Status | None = None

    def header(self) -> None:
        """What is about to happen, and what if it goes wrong."""
        release = self._plan.release.label if self._plan.release else "no release"
        why = f" · {self._plan.reason}" if self._plan.reason else ""
        self._say(
            f"[bold]{escape(self._plan.app)} → {self._plan.environment}[/] · "
            f"{escape(self._plan.title)} · {escape(release)} · "
            f"by {escape(self._plan.by)}{escape(why)}"
        )
        self._say(f"[dim]run {self._plan.run}[/]")
        if again := released_again(self._plan):
            self._say(f"[yellow]{escape(again)}[/]")
        if wrong := goes_wrong(self._plan):
            self._say(f"[dim]If this goes wrong: {escape(wrong)}[/]")
        self._say("")

    def recall(self, events: Sequence[Event], pending: Event | None) -> None:
        """What was done before this command, in one line, and what the run waits for."""
        done = [event for event in events if event.kind == "result"]
        for event in events:
            if event.kind == "phase":
                self._phase, self._began = event.body["title"], event.at
        if done:
            self._say(f"[dim]{len(done)} steps were done before; the last was {done[-1].step}[/]")
        if pending:
            self.show(pending)

    def show(self, event: Event) -> None:
        """One event."""
        if self._quiet:
            return
        handler = getattr(self, f"_on_{event.kind.replace('-', '_')}", None)
        if handler:
            handler(event)

    def close(self) -> None:
        """Stop the moving line."""
        if self._status:
            self._status.stop()
            self._status = None

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, highlight=False, soft_wrap=True)

    def _moving(self, text: str) -> None:
        if not self._console.is_terminal or self._quiet:
            return
        if self._status is None:
            self._status = self._console.status(text)
            self._status.start()
        self._status.update(text)

    def _on_phase(self, event: Event) -> None:
        self._phase, self._began = event.body["title"], event.at
        self._verdicts.clear()
        self._moving(escape(self._phase))

    def _on_started(self, event: Event) -> None:
        step = self._steps.get(event.step)
        what = lines(step)[0] if step and step.operations else ""
        self._moving(f"{escape(self._phase)} · {escape(event.step)} [dim]{escape(what[:80])}[/]")

    def _on_attempt_failed(self, event: Event) -> None:
        self._say(f"    [yellow]↻[/] {escape(event.step)}: {escape(event.body['found'])}; again")

    def _on_sample(self, event: Event) -> None:
        facts = event.body["facts"]
        rate = f"{facts['error_rate']:.1%}" if "error_rate" in facts else "-"
        p95 = f"{facts['p95'] * 1000:.0f} ms" if "p95" in facts else "-"
        self._moving(
            f"{escape(self._phase)} · {spoken(event.body['elapsed'])}   error rate {rate}   "
            f"p95 ≤ {p95} · {facts.get('requests', 0)} requests"
        )

    def _on_result(self, event: Event) -> None:
        verdict = event.body["verdict"]
        step = self._steps.get(event.step)
        self._verdicts[verdict] += 1
        if step and step.kind is Kind.CHECK and verdict in ("pass", "skip"):
            return
        took = event.body.get("seconds", 0)
        note = f" [dim]{spoken(took)}[/]" if took >= 0.05 else ""
        found = escape(event.body["found"]).replace("\n", "\n      ")
        self._say(f"  {_MARKS[verdict]} {escape(event.step):<24} {found}{note}")
        if verdict not in ("pass", "skip"):
            for line in event.body.get("excerpt", "").splitlines()[-10:]:
                self._say(f"      [dim]{escape(line)}[/]")

    def _on_gate(self, event: Event) -> None:
        body = event.body
        mark = {"go": "pass", "no-go": "fail"}.get(body["answer"], "undecided")
        seconds = event.at - self._began
        self._say(
            f"{_MARKS[mark]} [bold]{escape(self._phase)}[/] {body['answer']} · "
            f"{escape(body['reasons'][0])} [dim]{spoken(seconds)}[/]"
        )

    def _on_waiting(self, event: Event) -> None:
        if event.body["for"] == "time":
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.body["until"]))
            self._say(f"  [dim]waiting until {at}: {escape(event.body['title'])}[/]")
            return
        self._say(f"  [yellow]?[/] waiting for a person: {escape(event.body['title'])}")
        self._say(f"      [bold]gonogo approve {self._plan.run} {escape(event.step)}[/]")
        self._moving(f"waiting for gonogo approve … {escape(event.step)}")

    def _on_trouble(self, event: Event) -> None:
        body = event.body
        self._say(f"[red]✘ {escape(body['kind'])}[/] at {escape(body['step'])}")
        self._say(f"      {escape(body['found'].partition(chr(10))[0])}")

    def _on_ended(self, event: Event) -> None:
        self.close()
        body = event.body
        self._say("")
        self._say(f"{_OUTCOMES.get(body['outcome'], body['outcome'])} {self._live()}")
        for id in body.get("left", ()):
            self._say(f"  [red]not undone:[/] {escape(id)}")
            for line in lines(self._steps[id]):
                self._say(f"      [dim]{escape(line)}[/]")
        if body.get("next"):
            self._say(f"Next: {escape(body['next'])}")

    def _live(self) -> str:
        return f"[dim]gonogo show {self._plan.run}[/]"


def goes_wrong(plan: Plan) -> str:
    """What happens on a failure, in one sentence; empty when there is nothing to undo."""
    undoable = [step for step in plan.steps() if step.undo]
    if not undoable:
        return ""
    losing = [step.id for step in undoable if step.undo and step.undo.loses_data]
    back = plan.previous.release.id if plan.previous else "nothing live, as before"
    asks = f"; undoing {', '.join(losing)} loses data, so it asks first" if losing else ""
    remedy = f"; on a no-go first: {plan.on_no_go}" if plan.remedy else ""
    return f"back to {back}{asks or ', no data lost'}{remedy}."


def released_again(plan: Plan) -> str:
    """That the commit is live already, and what happens all the same; empty when it is not."""
    new, live = plan.release, plan.previous.release if plan.previous else None
    if plan.procedure not in ("update", "migrate") or not (new and live):
        return ""
    if new.commit != live.commit or new.dirty or live.dirty:
        return ""
    return (
        f"Commit {new.commit[:7]} is live already, as {live.id}; "
        "it is built and released again, with today's configuration."
    )


def plan_lines(plan: Plan) -> list[str]:
    """The dry run: every step in order with its exact command lines and targets."""
    again = released_again(plan)
    text = [again] if again else []
    for phase in plan.phases:
        when = "" if phase.at is None else f" at T{phase.at:+.0f}s"
        text.append(f"{phase.title} ({phase.id}){when} · lock: {phase.hold}")
        for step in phase.steps:
            text += _step_lines(step)
    if plan.remedy:
        text.append(f"On a no-go, instead of undoing: {plan.on_no_go}")
        for step in plan.remedy:
            text += _step_lines(step)
    if plan.not_configured:
        text.append(
            f"Not configured: {len(plan.not_configured)} ({'; '.join(plan.not_configured)})"
        )
    return text


def _step_lines(step: PlanStep) -> list[str]:
    if step.skip:
        return [f"  - {step.id}: not run, {step.skip}"]
    text = [f"  {step.kind} {step.id}"]
    text += [f"      {line}" for line in lines(step)]
    if step.undo:
        loses = " (loses data: asks first)" if step.undo.loses_data else ""
        text.append(
            f"      undo: {step.undo.use.replace('_', '-')}{loses}: {'; '.join(lines(step.undo))}"
        )
    return text


def as_json(data: Any) -> str:
    """JSON for --json: one object, ready for jq."""
    return json.dumps(data, indent=2, ensure_ascii=False)

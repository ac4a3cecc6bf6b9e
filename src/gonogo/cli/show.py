"""Read-only commands: fast, because they read the journal with plain SQL and never import DBOS."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import typer

from gonogo.app.backups import age, checked
from gonogo.app.runs import (
    RunView,
    all_runs,
    find_run,
    results,
    unfinished,
    waiting_for,
    with_waiting,
)
from gonogo.journal.chain import broken
from gonogo.model.errors import ExitCode, Refused
from gonogo.model.event import GENESIS, Event
from gonogo.model.target import Copy, Instance
from gonogo.wiring import Site, clock

T = TypeVar("T")

TICK = 0.2


def _run(reading: Coroutine[Any, Any, T]) -> T:
    """Run what reads the target; asyncio is imported only by the commands that need it."""
    import asyncio

    return asyncio.run(reading)


def show_status(site: Site, *, json: bool) -> None:
    """Live release, instances, lock, last copy, runs under way."""
    facts = _run(_status(site))
    if json:
        _print_json(site, facts)
        return
    live = facts["live"]
    release = f"{live['release']} by {live['by']} at {live['at']}" if live else "nothing deployed"
    text = [
        f"{site.configuration.app} → {site.environment.name}",
        f"  live      {release}{'' if not live or live['good'] else ' (not verified)'}",
        *(
            f"  instance  {one['name']:<40} {one['state']} {one['detail']}"
            for one in facts["instances"]
        ),
    ]
    for service, addresses in facts["traffic"].items():
        port = facts["ports"].get(service, "-")
        text.append(f"  traffic   {service} on port {port} → {', '.join(addresses) or 'nobody'}")
    if copy := facts["copy"]:
        seen = f"{age(copy['at'])} old, {checked(copy['verified'])}"
        text.append(f"  copy      {copy['name']}, {seen}")
    if facts["maintenance"]:
        text.append(f"  maintenance {facts['maintenance']}; gonogo maintenance off ends it")
    if facts["lock"]:
        text.append(f"  lock      {facts['lock']}")
    for run in facts["runs"]:
        text.append(f"  run       {run['run']} {run['state']}")
    typer.echo(site.redactor.text("\n".join(text)))


async def _status(site: Site) -> dict[str, Any]:
    scene = site.scene()
    live = await scene.target.live()
    holder = await scene.lock.holder()
    copies = await scene.database.copies() if scene.database else []
    return {
        "app": site.configuration.app,
        "environment": site.environment.name,
        "live": {
            "release": live.release.label,
            "by": live.by,
            "at": live.at,
            "good": live.good,
        }
        if live
        else None,
        "instances": [_instance(one) for one in await scene.engine.observe()],
        "traffic": {name: list(to) for name, to in (await scene.proxy.observe()).items()},
        "ports": {name: one.port for name, one in site.environment.services.items() if one.port},
        "maintenance": await scene.proxy.maintenance(),
        "lock": f"{holder.mode} by run {holder.run} of {holder.person} on {holder.machine} since "
        + time.strftime("%H:%M:%S", time.localtime(holder.since))
        if holder
        else "",
        "copy": _copy(copies[0]) if copies else None,
        "runs": [
            {"run": run.id, "state": _state(run)} for run in unfinished(site.journal, clock().now())
        ],
    }


def _copy(one: Copy) -> dict[str, Any]:
    return {"name": one.name, "at": one.at, "verified": one.verified or None}


def _instance(one: Instance) -> dict[str, Any]:
    return {
        "name": one.name,
        "service": one.service,
        "release": one.release,
        "state": one.state,
        "address": one.address,
        "detail": one.detail,
    }


def show_runs(site: Site, *, number: int, json: bool) -> None:
    """A line for each run."""
    now = clock().now()
    found = [with_waiting(run, site.journal, now) for run in all_runs(site.journal)[:number]]
    if json:
        _print_json(site, [{**run.__dict__, "state": _state(run)} for run in found])
        return
    width = max((len(run.id) for run in found), default=0)
    for run in found:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.planned))
        headline = run.headline.partition("\n")[0]
        text = f"{at}  {run.id:<{width}} {run.release:<14} {run.by:<12} {_state(run)} {headline}"
        typer.echo(site.redactor.text(text.rstrip()))
    if not found:
        typer.echo("No runs yet. Next: gonogo plan deploy")


def _state(run: RunView) -> str:
    if run.over:
        return run.outcome
    return f"waiting for {run.waiting}" if run.waiting else "not over"


def show_run(
    site: Site, wanted: str, *, html: Path | None, output: bool, follow: bool, json: bool
) -> None:
    """One run with its evidence."""
    run = find_run(site.journal, wanted, clock().now())
    events = list(site.journal.events(run.id))
    if html and not html.absolute().parent.is_dir():
        raise Refused(f"there is no folder {html.parent}")
    if html:
        from gonogo.cli.page import page

        html.write_text(page(run, events, broken(site.journal.chain())))
        typer.echo(f"Wrote {html}.")
        return
    if json:
        _print_json(site, [event.__dict__ for event in events])
        return
    _show_events(site, run, events)
    while follow and not any(event.kind == "ended" for event in events):
        time.sleep(TICK)
        fresh = list(site.journal.events(run.id, after=events[-1].sequence))
        _show_lines(fresh)
        events += fresh
    if output and site.output(run.id).exists():
        typer.echo("\n" + site.output(run.id).read_text())


def _show_events(site: Site, run: RunView, events: Sequence[Event]) -> None:
    why = f" · {run.reason}" if run.reason else ""
    typer.echo(f"{run.id} · {run.procedure} · release {run.release or '-'} · by {run.by}{why}")
    _show_lines(events)
    pending = waiting_for(events, clock().now()) if not run.over else None
    if pending and pending.body["for"] == "sign-off":
        typer.echo(f"Next: gonogo approve {run.id} {pending.step}")
    elif not run.over:
        typer.echo(f"Not over. Next, if nobody works on it: gonogo resume {run.id}")


def _show_lines(events: Sequence[Event]) -> None:
    for event in events:
        line = event_line(event)
        if line:
            at = time.strftime("%H:%M:%S", time.localtime(event.at))
            typer.echo(f"{at}  {line}")


def event_line(event: Event) -> str:
    """An event in one line; empty for those that only the machine needs."""
    written = _LINES.get(event.kind)
    return written(event.step, event.body).rstrip() if written else ""


def _result_line(step: str, body: Mapping[str, Any]) -> str:
    where = f" [{body['where']}]" if body.get("where") else ""
    expected = f" (expected {body['expected']})" if body.get("expected") else ""
    return f"  {body['verdict']:<9} {step:<28} {body['found']}{expected}{where}"


def _sign_off_line(step: str, body: Mapping[str, Any]) -> str:
    return f"{body['by']} {'approved' if body['approved'] else 'refused'} {step} {body['reason']}"


def _ended_line(step: str, body: Mapping[str, Any]) -> str:
    left = f"; not undone: {', '.join(body['left'])}" if "left" in body else ""
    return f"ended: {body['outcome']} {body.get('headline', '')}{left}"


_LINES: dict[str, Callable[[str, Mapping[str, Any]], str]] = {
    "phase": lambda step, body: f"{body['title']} (lock: {body['hold']})",
    "result": _result_line,
    "attempt-failed": lambda step, body: f"  again     {step:<28} {body['found']}",
    "gate": lambda step, body: f"gate {step}: {body['answer']}: {'; '.join(body['reasons'])}",
    "sign-off": _sign_off_line,
    "abort": lambda step, body: f"{body['by']} asked to abort",
    "waiting": lambda step, body: f"waiting for {body['for']}: {body['title']}",
    "overtaken": lambda step, body: f"took the place of run {body['run']} of {body['person']}",
    "trouble": lambda step, body: f"{body['kind']} at {body['step']}: {body['found']}",
    "ended": _ended_line,
}


def verify_journal(site: Site, *, json: bool) -> ExitCode:
    """Say whether the chain is whole, and its head."""
    chain = site.journal.chain()
    anchor = _run(site.scene().target.anchor())
    problem = broken(chain, anchor)
    head = chain[-1].hash if chain else GENESIS
    ours = anchor if chain and anchor and anchor.journal == chain[0].hash else None
    anchored = ours.sequence if ours else 0
    if json:
        _print_json(
            site, {"events": len(chain), "head": head, "anchored": anchored, "broken": problem}
        )
    elif problem:
        typer.echo(f"The journal was tampered with: {problem}", err=True)
    else:
        typer.echo(f"{len(chain)} events, each follows from the one before. Head: {head}")
        kept = f"event {anchored} is" if anchored else "none of them is"
        typer.echo(f"Against what the target remembers: {kept} anchored there.")
    return ExitCode.FAILED if problem else ExitCode.OK


def export_journal(site: Site) -> None:
    """Every event as a line of JSON, as it was hashed."""
    import json

    for event in site.journal.chain():
        typer.echo(json.dumps(event.__dict__, ensure_ascii=False))


def summary(events: Sequence[Event]) -> dict[str, int]:
    """How many steps ended with each verdict."""
    counts: dict[str, int] = {}
    for finding in results(events).values():
        counts[finding["verdict"]] = counts.get(finding["verdict"], 0) + 1
    return counts


def _print_json(site: Site, data: Any) -> None:
    from gonogo.cli.screen import as_json

    typer.echo(site.redactor.text(as_json(data)))

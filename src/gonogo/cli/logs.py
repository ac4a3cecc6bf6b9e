"""`gonogo logs`: lines of the services, or their errors before and after the live release."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from json import dumps

import typer

from gonogo.app.log_summary import Compared, Side, compare
from gonogo.app.logs import LINES, MOST, Entry, Wanted, entries, fitting, read
from gonogo.model.duration import seconds
from gonogo.model.errors import Refused
from gonogo.model.log import Level, Line, Log
from gonogo.wiring import Site, clock

TICK = 0.2


def wanted(
    site: Site,
    service: str | None,
    *,
    lines: int | None,
    grep: str,
    level: Level | None,
    since: str,
) -> Wanted:
    """What the options ask for. Refused, saying why, when that cannot be."""
    if service and service not in site.environment.services:
        known = ", ".join(site.environment.services)
        raise Refused(f"there is no service {service!r}", next_step=f"one of: {known}")
    try:
        pattern = re.compile(grep) if grep else None
        begin = clock().now() - seconds(since) if since else 0.0
    except re.error as error:
        raise Refused(f"not a regular expression: {grep!r} ({error})") from error
    except ValueError as error:
        raise Refused(str(error)) from error
    return Wanted(
        service=service,
        lines=LINES if lines is None and not since else lines,
        pattern=pattern,
        level=level,
        since=begin,
    )


def show_logs(site: Site, asked: Wanted, *, follow: bool, json: bool) -> None:
    """Last lines of the instances, each with its name in front."""
    logs = asyncio.run(read(site, asked))
    shown = _show(logs, {}, asked, site, json)
    _say_what_is_not_known(logs, asked)
    if not shown and not follow:
        typer.echo(_nothing(logs), err=True)
    while follow:
        time.sleep(TICK)
        before, logs = logs, asyncio.run(read(site, asked))
        _show(logs, before, asked, site, json)


def _show(
    logs: Mapping[str, Log], before: Mapping[str, Log], asked: Wanted, site: Site, json: bool
) -> int:
    """Print what is new and fits; how many lines that were."""
    shown = 0
    for name, log in logs.items():
        old = _seen_before(before.get(name, Log()).lines, log.lines)
        for one in fitting(entries(log)[old:], asked):
            typer.echo(_line(name, one, site, json))
            shown += 1
    return shown


def _seen_before(before: Sequence[Line], now: Sequence[Line]) -> int:
    """How many lines at the beginning of now were in before; both are windows of one log."""
    for start in range(len(before) + 1):
        overlap = before[start:]
        if list(now[: len(overlap)]) == list(overlap):
            return len(overlap)
    return 0


def _line(name: str, one: Entry, site: Site, json: bool) -> str:
    text = site.redactor.text(one.text)
    if not json:
        return f"{name} | {text}"
    return dumps({"instance": name, "line": text, "at": one.at, "level": one.level})


def _say_what_is_not_known(logs: Mapping[str, Log], asked: Wanted) -> None:
    for name, log in logs.items():
        found = entries(log)
        begin = found[0].at if found else None
        if asked.since and found and begin is None:
            typer.echo(f"{name}: its lines have no times, so --since leaves none out", err=True)
        elif asked.since and log.cut and begin and begin > asked.since:
            typer.echo(f"{name}: what it wrote before {_at(begin)} was not looked at", err=True)


def _nothing(logs: Mapping[str, Log]) -> str:
    many = sum(len(log.lines) for log in logs.values())
    if not many:
        return f"{', '.join(logs) or 'No service'}: wrote nothing"
    return f"None of the {many} lines that were looked at fits."


def show_summary(site: Site, service: str | None, *, json: bool) -> None:
    """Errors of the live release against those of the one before."""
    release, found = asyncio.run(compare(site, service))
    if json:
        answer = {"release": release, "services": [one.to_json() for one in found]}
        typer.echo(site.redactor.text(dumps(answer, indent=2, ensure_ascii=False)))
        return
    text = [f"{site.configuration.app} → {site.environment.name} · release {release} is live"]
    for one in found:
        text += _compared(one)
    worst = [one.service for one in found if one.after and one.after.errors]
    if worst:
        text.append(f"Next: gonogo logs {worst[0]} -e {site.environment.name} --level error")
    typer.echo(site.redactor.text("\n".join(text)))


def _compared(one: Compared) -> list[str]:
    missing = "no log of it is kept, so nothing is known"
    text = [
        one.service,
        f"  after   {_side(one.after) if one.after else missing}",
        f"  before  {_side(one.before) if one.before else missing}",
    ]
    after = one.after.messages if one.after else {}
    before = one.before.messages if one.before else {}
    for said in sorted({*after, *before}, key=lambda said: -after.get(said, 0)):
        new = "new" if one.before and said not in before else ""
        was = before.get(said, 0) if one.before else "?"
        now = after.get(said, 0) if one.after else "?"
        text.append(f"    {was:>5} → {now:<5} {new:<3}  {said}")
    return text


def _side(side: Side) -> str:
    span = ""
    if side.begin is not None and side.end is not None:
        span = f", {_at(side.begin)} to {_at(side.end)}"
    cut = f"; earlier lines are not kept, or more than {MOST}" if side.cut else ""
    share = f" ({side.errors / side.lines:.1%})" if side.lines else ""
    errors, lines = _many(side.errors, "error"), _many(side.lines, "line")
    return f"{errors} in {lines}{share} of {side.release}{span}{cut}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _at(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))

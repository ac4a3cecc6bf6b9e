"""`gonogo doctor`: what was seen, the worst with the lines it wrote, and what to type next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.markup import escape

from gonogo.app.doctor import Report, examine
from gonogo.model.diagnosis import Diagnosis, Part, State
from gonogo.model.errors import ExitCode
from gonogo.model.size import megabytes
from gonogo.wiring import Site

_MARKS = {
    State.OK: "[green]✔[/]",
    State.WARNING: "[yellow]![/]",
    State.PROBLEM: "[red]✘[/]",
    State.UNKNOWN: "[yellow]?[/]",
}


def show_doctor(site: Site, console: Console, *, json: bool) -> ExitCode:
    """Look, and show it. The exit code is that of a failed check unless all is well."""
    report = asyncio.run(examine(site))
    if json:
        from gonogo.cli.screen import as_json

        head = {"app": site.configuration.app, "environment": site.environment.name}
        typer.echo(as_json({**head, **report.to_json()}))
        return report.exit_code
    lines = [f"[bold]{site.configuration.app} → {site.environment.name}[/]"]
    lines += [f"  {escape(line)}" for line in _table(report.parts)]
    lines += [line for one in report.findings for line in _finding(one)]
    for line in [*lines, *_end(report)]:
        console.print(line, highlight=False, soft_wrap=True)
    return report.exit_code


def _table(parts: Sequence[Part]) -> list[str]:
    rows = [
        (
            one.name,
            one.state,
            f"{one.cpu:.1f} %" if one.cpu is not None else "",
            megabytes(one.memory) if one.memory is not None else "",
        )
        for one in parts
    ]
    if not rows:
        return []
    head = [("NAME", "STATE", "CPU", "MEMORY"), *rows]
    widths = [max(map(len, column)) for column in zip(*head, strict=True)]
    return [
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in head
    ] + [""]


def _finding(one: Diagnosis) -> list[str]:
    text = [f"{_MARKS[one.state]} {escape(one.about):<22} {escape(one.seen)}"]
    if one.state is not State.OK:
        text += [f"      [dim]{escape(line)}[/]" for line in one.lines]
        text += [f"      next: [bold]{escape(one.next)}[/]"] if one.next else []
    return text


def _end(report: Report) -> list[str]:
    counts = Counter(one.state for one in report.findings)
    worst = [State.PROBLEM, State.UNKNOWN, State.WARNING]
    said = [_count(counts[state], state) for state in (*worst, State.OK) if counts[state]]
    ordered = [one for state in worst for one in report.findings if one.state is state]
    first = next((one.next for one in ordered if one.next), "")
    return [
        "",
        f"{' · '.join(said)}. Nothing was touched." + (f" Next: {escape(first)}" if first else ""),
    ]


def _count(many: int, state: State) -> str:
    countable = state in (State.PROBLEM, State.WARNING)
    return f"{many} {state}{'s' if countable and many > 1 else ''}"

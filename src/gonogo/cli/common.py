"""What commands have in common: their options, the environment they are about, starting a run.

Every import that costs time is made inside the function that needs it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from gonogo.model.plan import Plan
    from gonogo.wiring import Site

EVERYDAY, RECOVERY, ADMINISTRATION = "Everyday", "Recovery", "Administration"

Environment = Annotated[
    str | None, typer.Argument(help="Which environment; not needed when there is only one.")
]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]
By = Annotated[str, typer.Option("--by", help="Who you are; default GONOGO_PERSON or your login.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Leave with exit code 6 where the run waits.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the record.")]
Yes = Annotated[bool, typer.Option("--yes", help="Remove what is shown without asking.")]


def open_site(environment: str | None, *, writes: bool = True) -> Site:
    """The environment. A command that writes nothing keeps no log either."""
    from gonogo.config.find import find_project
    from gonogo.wiring import find_site

    site = find_site(find_project(Path.cwd()), environment)
    if writes:
        _log_to(site)
    return site


def _log_to(site: Site) -> None:
    """gonogo's own log, private and without secrets: a traceback may hold what a step held."""

    class Redacting(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return site.redactor.text(super().format(record))

    path = site.data / "gonogo.log"
    path.touch(mode=0o600)
    handler = logging.FileHandler(path)
    handler.setFormatter(Redacting(logging.BASIC_FORMAT))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def console() -> Console:
    """Where a run is shown."""
    from rich.console import Console

    return Console(highlight=False)


def make_plan(site: Site, order: Any) -> Plan:
    """What would be done."""
    import asyncio

    from gonogo.app.start import plan_run

    return asyncio.run(plan_run(site, order))


def carry_out(
    procedure: str,
    site: Site,
    *,
    ref: str = "HEAD",
    to: str = "",
    at: str = "",
    json: bool,
    by: str = "",
    options: dict[str, Any] | None = None,
    wait: bool = True,
) -> None:
    """Plan a procedure and see its run to the end, which is the end of the command."""
    from gonogo.app.start import Order, t_zero
    from gonogo.cli.session import begin

    order = Order(procedure=procedure, ref=ref, to=to, at=t_zero(at), by=by, options=options or {})
    raise typer.Exit(begin(site, make_plan(site, order), console(), json=json, wait=wait))

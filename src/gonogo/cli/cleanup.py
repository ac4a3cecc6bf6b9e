"""Showing what a cleanup would remove, asking, and removing exactly that."""

from __future__ import annotations

import sys

import typer

from gonogo.app.cleanup import Proposal
from gonogo.cli.common import carry_out
from gonogo.model.errors import ExitCode, Refused
from gonogo.wiring import Site


def remove(site: Site, proposal: Proposal, command: str, *, yes: bool, json: bool, by: str) -> None:
    """Show, and remove once a person at a terminal or --yes agrees. Refused without either."""
    next_step = f"gonogo {command} --yes"
    agreed = yes and bool(proposal.items)
    if json and not agreed:
        raise typer.Exit(_answer(proposal, next_step))
    if not json:
        _show(proposal)
    if not proposal.items:
        return
    if not agreed and not _ask():
        raise Refused("nothing was removed", next_step=next_step)
    if not json:
        typer.echo("")
    only = [one.title for one in proposal.items]
    carry_out("cleanup", site, json=json, by=by, options={"only": only})


def _show(proposal: Proposal) -> None:
    width = max((len(one.title) for one in proposal.items), default=0)
    for one in proposal.items:
        typer.echo(f"  {one.title:<{width}}  {one.detail}".rstrip())
    if not proposal.items:
        typer.echo("Nothing to remove.")
    for stays in proposal.stays:
        typer.echo(f"Stays: {stays}.")


def _answer(proposal: Proposal, next_step: str) -> ExitCode:
    from gonogo.cli.screen import as_json

    code = ExitCode.REFUSED if proposal.items else ExitCode.OK
    answer = {
        "remove": [{"what": one.title, "detail": one.detail} for one in proposal.items],
        "stays": list(proposal.stays),
        "next": next_step if proposal.items else "",
        "exit_code": int(code),
    }
    typer.echo(as_json(answer))
    return code


def _ask() -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return input("Remove this? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        return False

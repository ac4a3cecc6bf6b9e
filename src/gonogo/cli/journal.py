"""`gonogo journal`: the record of all runs, checked and taken out."""

from __future__ import annotations

import typer

from gonogo.cli.common import Environment, Json, open_site

journal_app = typer.Typer(help="The record of all runs.", no_args_is_help=True)


@journal_app.command("verify")
def journal_verify(environment: Environment = None, json: Json = False) -> None:
    """Check that no event was changed, removed or put in between."""
    from gonogo.cli.show import verify_journal

    raise typer.Exit(verify_journal(open_site(environment), json=json))


@journal_app.command("export")
def journal_export(environment: Environment = None) -> None:
    """Every event as a line of JSON."""
    from gonogo.cli.show import export_journal

    export_journal(open_site(environment))

"""`gonogo emergency`: stop everything, put the last good state back, tell the team."""

from __future__ import annotations

from typing import Annotated

import typer

from gonogo.cli.common import By, Environment, Json, NoWait, Reason, carry_out, open_site


def emergency(
    environment: Environment = None,
    backup: Annotated[
        str, typer.Option("--backup", help="The copy of the database to put back.")
    ] = "",
    no_database: Annotated[
        bool, typer.Option("--no-database", help="Leave the database as it is.")
    ] = False,
    to: Annotated[str, typer.Option(help="The release to start; default the last good one.")] = "",
    confirm: Annotated[
        str, typer.Option("--confirm", help="The environment's name: all in it is stopped.")
    ] = "",
    reason: Reason = "",
    json: Json = False,
    by: By = "",
    no_wait: NoWait = False,
) -> None:
    """Stop all, put a copy of the database back, start the last good release, tell the team.

    It takes the place of whoever is at work. Without --confirm it says what it would do and lose.
    """
    import asyncio

    from gonogo.app.emergency import Wish, to_recover

    site = open_site(environment)
    wish = Wish(
        backup=backup, to=to, database=not no_database, confirm=confirm, reason=reason, by=by
    )
    release, options = asyncio.run(to_recover(site, wish))
    carry_out("emergency", site, to=release, json=json, by=by, options=options, wait=not no_wait)

"""`gonogo backup`: copies of the database, made, listed, read back, put back and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gonogo.cli.common import By, Environment, Json, NoWait, Yes, carry_out, open_site

if TYPE_CHECKING:
    from gonogo.app.backups import Backup

backup_app = typer.Typer(help="Copies of the database.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The copy, as `gonogo backup list` names it.")]


@backup_app.command("create")
def create(
    environment: Environment = None,
    name: Annotated[str, typer.Option("--name", help="What it is called; default the run.")] = "",
    json: Json = False,
    by: By = "",
) -> None:
    """Copy the database while the application goes on, and read the copy back."""
    import asyncio

    from gonogo.app.backups import to_make

    site = open_site(environment)
    options = asyncio.run(to_make(site, name))
    carry_out("backup", site, json=json, by=by, options=options)


@backup_app.command("list")
def list_copies(environment: Environment = None, json: Json = False) -> None:
    """All copies, newest first, and which releases can run on them."""
    import asyncio

    from gonogo.app.backups import backups

    site = open_site(environment)
    found = asyncio.run(backups(site))
    if json:
        _print_json({"copies": [_plain(one) for one in found]})
        return
    rows = [_row(one) for one in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        texts = (f"{text:<{width}}" for text, width in zip(row, widths, strict=True))
        typer.echo("  ".join(texts).rstrip())
    if not rows:
        typer.echo(f"No copies yet. Next: gonogo backup create {site.environment.name}")


@backup_app.command("verify")
def verify_copy(name: Name, environment: Environment = None, json: Json = False) -> None:
    """Read a copy back whole: its sha256, and what the database itself says of it."""
    import asyncio

    from gonogo.app.backups import verify

    seen = asyncio.run(verify(open_site(environment), name))
    if json:
        _print_json(_plain(seen))
        return
    copy = seen.copy
    typer.echo(
        f"{copy.name} is whole: sha256, schema, and {sum(copy.rows.values())} rows in "
        f"{len(copy.rows)} tables are as when it was made."
    )


@backup_app.command("restore")
def restore(
    name: Name,
    environment: Environment = None,
    confirm: Annotated[
        str, typer.Option("--confirm", help="The copy's name again; what came later is lost.")
    ] = "",
    json: Json = False,
    by: By = "",
    no_wait: NoWait = False,
) -> None:
    """Put a copy in the place of the database; the services stand still meanwhile."""
    import asyncio

    from gonogo.app.backups import to_put_back

    site = open_site(environment)
    options = asyncio.run(to_put_back(site, name, confirm))
    carry_out("restore", site, json=json, by=by, options=options, wait=not no_wait)


@backup_app.command("prune")
def prune(
    environment: Environment = None,
    name: Annotated[
        str, typer.Option("--name", help="Only this copy; the one way to remove one of your own.")
    ] = "",
    yes: Yes = False,
    json: Json = False,
    by: By = "",
) -> None:
    """Show the copies that nothing needs any more, and remove them."""
    import asyncio

    from gonogo.app.cleanup import copies
    from gonogo.cli.cleanup import remove

    site = open_site(environment)
    command = f"backup prune {site.environment.name}" + (f" --name {name}" if name else "")
    remove(site, asyncio.run(copies(site, name)), command, yes=yes, json=json, by=by)


def _row(backup: Backup) -> list[str]:
    from gonogo.app.backups import age, checked
    from gonogo.model.size import megabytes

    copy = backup.copy
    newest, *others = backup.releases or ["no kept release"]
    return [
        copy.name,
        f"{age(copy.at)} old",
        megabytes(copy.size),
        f"{sum(copy.rows.values())} rows",
        f"schema {copy.fingerprint[:8]}",
        f"for {newest}" + (f" and {len(others)} more" if others else ""),
        checked(copy.verified),
    ]


def _plain(backup: Backup) -> dict[str, Any]:
    from gonogo.wiring import clock

    copy = backup.copy
    return {
        "name": copy.name,
        "at": copy.at,
        "age": round(max(0.0, clock().now() - copy.at)),
        "size": copy.size,
        "rows": copy.rows,
        "schema": copy.fingerprint,
        "sha256": copy.sha256,
        "releases": list(backup.releases),
        "verified": copy.verified or None,
    }


def _print_json(data: Any) -> None:
    from gonogo.cli.screen import as_json

    typer.echo(as_json(data))

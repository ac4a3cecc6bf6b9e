"""`gonogo flags`: variables of the application that are turned while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gonogo.cli.common import By, Environment, Json, NoWait, Reason, carry_out, open_site

if TYPE_CHECKING:
    from gonogo.app.flags import FlagView

flags_app = typer.Typer(help="Turn features while the application runs.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The variable, as it stands under `flags`.")]


@flags_app.command("list")
def list_flags(environment: Environment = None, json: Json = False) -> None:
    """Every flag, its value, and who turned it."""
    import asyncio

    from gonogo.app.flags import flags

    site = open_site(environment)
    found = asyncio.run(flags(site))
    if json:
        from gonogo.cli.screen import as_json

        typer.echo(as_json({"flags": [_plain(one) for one in found]}))
        return
    rows = [_row(one) for one in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        texts = (f"{text:<{width}}" for text, width in zip(row, widths, strict=True))
        typer.echo("  ".join(texts).rstrip())
    if not rows:
        typer.echo("No flags. Next: name them under `flags` in gonogo.yml")


@flags_app.command("set")
def set_flag(
    name: Name,
    value: Annotated[str, typer.Argument(help="What the services get.")],
    environment: Environment = None,
    reason: Reason = "",
    json: Json = False,
    by: By = "",
    no_wait: NoWait = False,
) -> None:
    """Set a flag and start anew what reads it, without downtime and without a release."""
    _turn(environment, name, value, reason, json=json, by=by, wait=not no_wait)


@flags_app.command("disable")
def disable(
    name: Name,
    environment: Environment = None,
    reason: Reason = "",
    json: Json = False,
    by: By = "",
    no_wait: NoWait = False,
) -> None:
    """Set a flag to the value that means off."""
    from gonogo.app.flags import off

    value = off(open_site(environment, writes=False), name)
    _turn(environment, name, value, reason, json=json, by=by, wait=not no_wait)


@flags_app.command("unset")
def unset(
    name: Name,
    environment: Environment = None,
    reason: Reason = "",
    json: Json = False,
    by: By = "",
    no_wait: NoWait = False,
) -> None:
    """Give a flag back the value it is configured with."""
    _turn(environment, name, None, reason, json=json, by=by, wait=not no_wait)


def _turn(
    environment: str | None,
    name: str,
    value: str | None,
    reason: str,
    *,
    json: bool,
    by: str,
    wait: bool,
) -> None:
    import asyncio

    from gonogo.app.flags import to_turn

    site = open_site(environment)
    options = asyncio.run(to_turn(site, name, value, reason))
    carry_out("flags", site, json=json, by=by, options=options, wait=wait)


def _row(flag: FlagView) -> list[str]:
    from gonogo.app.backups import age

    turned, declared = flag.turned, flag.declared
    if turned:
        why = f": {turned.reason}" if turned.reason else ""
        what = "set" if turned.value is not None else "unset"
        who = f"{what} by {turned.by} {age(turned.at)} ago{why}"
    else:
        who = "as configured"
    notes = []
    if declared is None:
        notes.append("no longer under `flags`; gonogo flags unset gives its value back")
    elif declared.build:
        notes.append("goes into the build")
    return [
        flag.name,
        "-" if flag.value is None else flag.value,
        f"off: {declared.off}" if declared else "",
        ", ".join(flag.services) or "-",
        "; ".join([who, *notes]),
    ]


def _plain(flag: FlagView) -> dict[str, Any]:
    turned = flag.turned
    return {
        "name": flag.name,
        "value": flag.value,
        "configured": flag.configured,
        "off": flag.declared.off if flag.declared else None,
        "build": bool(flag.declared and flag.declared.build),
        "services": list(flag.services),
        "set": {
            "value": turned.value,
            "by": turned.by,
            "at": turned.at,
            "reason": turned.reason,
            "run": turned.run,
        }
        if turned
        else None,
    }

"""`gonogo maintenance`: the page that users get instead of the application."""

from __future__ import annotations

import typer

from gonogo.cli.common import By, Environment, Json, Reason, carry_out, open_site
from gonogo.model.errors import Refused

maintenance_app = typer.Typer(
    help="The page that users get meanwhile; releases go on behind it.", no_args_is_help=True
)


@maintenance_app.command("on")
def on(
    environment: Environment = None, reason: Reason = "", json: Json = False, by: By = ""
) -> None:
    """Answer every request with the maintenance page (503)."""
    _turn("on", environment, reason, json=json, by=by)


@maintenance_app.command("off")
def off(
    environment: Environment = None, reason: Reason = "", json: Json = False, by: By = ""
) -> None:
    """Serve users again, with the release that is live."""
    _turn("off", environment, reason, json=json, by=by)


def _turn(state: str, environment: str | None, reason: str, *, json: bool, by: str) -> None:
    site = open_site(environment)
    if not any(one.port for one in site.environment.services.values()):
        raise Refused("no service has a port, so there is nobody to show a page to")
    options = {"state": state, "reason": reason}
    carry_out("maintenance", site, json=json, by=by, options=options)

"""The gonogo command. Every import that costs time is made inside the command that needs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gonogo import __version__
from gonogo.cli import tracebacks
from gonogo.cli.backup import backup_app
from gonogo.cli.common import (
    ADMINISTRATION,
    EVERYDAY,
    RECOVERY,
    By,
    Environment,
    Json,
    NoWait,
    Yes,
    carry_out,
    console,
    make_plan,
    open_site,
)
from gonogo.cli.emergency import emergency
from gonogo.cli.flags import flags_app
from gonogo.cli.journal import journal_app
from gonogo.cli.maintenance import maintenance_app
from gonogo.model.errors import BadConfiguration, ExitCode, GonogoError, Refused
from gonogo.model.log import Level

app = typer.Typer(
    name="gonogo",
    help="Runs the release procedure of a web application.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(backup_app, name="backup", rich_help_panel=EVERYDAY)
app.add_typer(flags_app, name="flags", rich_help_panel=EVERYDAY)
app.add_typer(maintenance_app, name="maintenance", rich_help_panel=EVERYDAY)
app.add_typer(journal_app, name="journal", rich_help_panel=ADMINISTRATION)

app.command("emergency", rich_help_panel=RECOVERY)(emergency)

Ref = Annotated[str, typer.Option("--ref", help="The git commit to release.")]
At = Annotated[str, typer.Option("--at", help="When T-0 is: 2026-12-01T22:00 or +30m.")]
Run = Annotated[str, typer.Argument(help="The run: its id, the beginning of it, or `last`.")]

COMMANDS = {
    "backup": "backup create",
    "flags": "flags set NAME VALUE",
    "maintenance": "maintenance on",
    "restore": "backup restore NAME",
    "rollback-database": "rollback --database restore",
}
"""What to type for the procedures that are not called like their commands."""


@app.callback(invoke_without_command=True)
def options(
    directory: Annotated[
        Path | None, typer.Option("-C", "--directory", help="Work as if started there.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False,
) -> None:
    """Runs the release procedure of a web application."""
    if version:
        typer.echo(f"gonogo {__version__}")
        raise typer.Exit
    if directory:
        os.chdir(directory)


@app.command(rich_help_panel=EVERYDAY)
def init(
    force: Annotated[bool, typer.Option(help="Replace the file that is there.")] = False,
) -> None:
    """Write a first gonogo.yml from what lies in this folder."""
    from gonogo.config.init import from_compose, propose

    path = Path("gonogo.yml")
    if path.exists() and not force:
        raise Refused("there is a gonogo.yml already", next_step="gonogo init --force replaces it")
    path.write_text(propose(Path.cwd()))
    typer.echo(path.read_text())
    steps = ["gonogo plan deploy"]
    if found := from_compose(Path.cwd()):
        steps = [*found.notes, "git add gonogo.yml && git commit", "gonogo check", *steps]
    elif "\n    services:" not in path.read_text():
        steps = ["complete `services`", *steps]
    typer.echo(f"Wrote gonogo.yml. Nothing else was touched. Next: {', then: '.join(steps)}")


@app.command(rich_help_panel=EVERYDAY)
def check(environment: Environment = None, json: Json = False, by: By = "") -> None:
    """Run the checks; changes nothing."""
    carry_out("check", open_site(environment), json=json, by=by)


@app.command(rich_help_panel=EVERYDAY)
def plan(
    procedure: Annotated[str, typer.Argument(help="deploy, update, migrate, rollback, …")],
    environment: Environment = None,
    ref: Ref = "HEAD",
    json: Json = False,
) -> None:
    """Show every step of a procedure with its command lines. Touches nothing."""
    from gonogo.app.start import Order
    from gonogo.cli.screen import as_json, goes_wrong, plan_lines

    site = open_site(environment, writes=False)
    made = make_plan(site, Order(procedure=procedure, ref=ref))
    if json:
        typer.echo(site.redactor.text(as_json(made.to_json())))
        return
    release = made.release.label if made.release else "no release"
    text = [f"{made.app} → {made.environment} · {made.title} · {release}", *plan_lines(made)]
    if wrong := goes_wrong(made):
        text.append(f"If this goes wrong: {wrong}")
    typer.echo(site.redactor.text("\n".join(text)))
    command = COMMANDS.get(procedure, procedure)
    typer.echo(f"\nNothing was touched. Next: gonogo {command} {made.environment}")


def _releasing(procedure: str, text: str) -> None:
    """Add a command that releases a commit through a procedure."""

    @app.command(procedure, help=text, rich_help_panel=EVERYDAY)
    def command(
        environment: Environment = None,
        ref: Ref = "HEAD",
        at: At = "",
        json: Json = False,
        by: By = "",
        no_wait: NoWait = False,
    ) -> None:
        carry_out(
            procedure, open_site(environment), ref=ref, at=at, json=json, by=by, wait=not no_wait
        )


_releasing("deploy", "Deploy for the first time.")
_releasing("update", "Update without downtime. Refuses when migrations are pending.")
_releasing("migrate", "Update with migrations: copy the database, migrate, hand over.")


@app.command(rich_help_panel=EVERYDAY)
def start(environment: Environment = None, json: Json = False, by: By = "") -> None:
    """Start the live release."""
    carry_out("start", open_site(environment), json=json, by=by)


@app.command(rich_help_panel=EVERYDAY)
def stop(
    environment: Environment = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what keeps data: database, cache.")
    ] = False,
    json: Json = False,
    by: By = "",
) -> None:
    """Stop the application; never deletes data."""
    carry_out("stop", open_site(environment), json=json, by=by, options={"all": everything})


@app.command(rich_help_panel=EVERYDAY)
def status(environment: Environment = None, json: Json = False) -> None:
    """What is live, what runs, who is at work."""
    from gonogo.cli.show import show_status

    show_status(open_site(environment), json=json)


@app.command(rich_help_panel=EVERYDAY)
def logs(
    service: Annotated[str | None, typer.Argument(help="Which service; all without it.")] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="Which environment.")
    ] = None,
    lines: Annotated[
        int | None,
        typer.Option("--lines", "-n", help="How many of each; default 50, all with --since."),
    ] = None,
    since: Annotated[str, typer.Option(help="Only what is not older: 10m, 2h.")] = "",
    level: Annotated[
        Level | None, typer.Option(case_sensitive=False, help="Only lines that bad, or worse.")
    ] = None,
    grep: Annotated[str, typer.Option(help="Only lines with this regular expression.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="Count errors, before and after the live release.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="A JSON object for each line; with --summary, one.")
    ] = False,
) -> None:
    """The last lines that the services wrote."""
    from gonogo.cli.logs import show_logs, show_summary, wanted

    site = open_site(environment)
    asked = wanted(site, service, lines=lines, grep=grep, level=level, since=since)
    if summary:
        show_summary(site, service, json=json)
    else:
        show_logs(site, asked, follow=follow, json=json)


@app.command(rich_help_panel=EVERYDAY)
def cleanup(
    environment: Environment = None, yes: Yes = False, json: Json = False, by: By = ""
) -> None:
    """Show what is no longer needed: releases, their instances and copies. Then remove it."""
    import asyncio

    from gonogo.app.cleanup import everything
    from gonogo.cli.cleanup import remove

    site = open_site(environment)
    command = f"cleanup {site.environment.name}"
    remove(site, asyncio.run(everything(site)), command, yes=yes, json=json, by=by)


@app.command(rich_help_panel=RECOVERY)
def rollback(
    environment: Environment = None,
    to: Annotated[str, typer.Option(help="The release; default the last good one.")] = "",
    database: Annotated[
        str, typer.Option(help="restore: also put back the copy from before the migration.")
    ] = "",
    confirm: Annotated[
        str, typer.Option(help="The name of the copy to restore; what came later is lost.")
    ] = "",
    images: Annotated[
        bool, typer.Option("--images", help="Build nothing: only what is still there.")
    ] = False,
    json: Json = False,
    by: By = "",
) -> None:
    """Go back to an earlier release."""
    options: dict[str, object] = {"images": images}
    if not database:
        carry_out("rollback", open_site(environment), to=to, json=json, by=by, options=options)
        return
    if database != "restore":
        raise Refused(f"--database {database} is not known", next_step="--database restore")
    from gonogo.app.answer import confirm_copy

    site = open_site(environment)
    options |= confirm_copy(site, confirm, to)
    carry_out("rollback-database", site, to=to, json=json, by=by, options=options)


@app.command(rich_help_panel=RECOVERY)
def doctor(environment: Environment = None, json: Json = False) -> None:
    """Look for what is wrong, with the next command for each; changes nothing."""
    from gonogo.cli.doctor import show_doctor

    raise typer.Exit(show_doctor(open_site(environment), console(), json=json))


@app.command(rich_help_panel=RECOVERY)
def resume(
    run: Run = "last", environment: Environment = None, json: Json = False, no_wait: NoWait = False
) -> None:
    """Go on with a run that was interrupted or stopped."""
    from gonogo.app.runs import find_run
    from gonogo.cli.session import go_on
    from gonogo.wiring import clock

    site = open_site(environment)
    view = find_run(site.journal, run, clock().now())
    if view.over:
        raise Refused(f"run {view.id} is over: {view.outcome}", next_step=f"gonogo show {view.id}")
    raise typer.Exit(go_on(site, view.id, console(), json=json, wait=not no_wait))


@app.command(rich_help_panel=RECOVERY)
def abort(
    run: Run = "last", environment: Environment = None, json: Json = False, by: By = ""
) -> None:
    """Abort a run and undo what it did."""
    from gonogo.app.answer import ask_abort
    from gonogo.cli.session import go_on

    site = open_site(environment)
    view = ask_abort(site, run, by)
    typer.echo(f"Asked run {view.id} to abort.", err=json)
    from gonogo.app.drive import owner

    if not owner(site):
        raise typer.Exit(go_on(site, view.id, console(), json=json))


@app.command(rich_help_panel=ADMINISTRATION)
def runs(
    environment: Environment = None,
    number: Annotated[int, typer.Option("--number", "-n", help="How many.")] = 20,
    json: Json = False,
) -> None:
    """All runs, newest first."""
    from gonogo.cli.show import show_runs

    show_runs(open_site(environment), number=number, json=json)


@app.command(rich_help_panel=ADMINISTRATION)
def show(
    run: Run = "last",
    environment: Environment = None,
    html: Annotated[Path | None, typer.Option(help="Write the record as a page.")] = None,
    output: Annotated[bool, typer.Option(help="Also what its commands printed.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until it ends.")] = False,
    json: Json = False,
) -> None:
    """One run: every step with its evidence, every decision with its reasons."""
    from gonogo.cli.show import show_run

    show_run(open_site(environment), run, html=html, output=output, follow=follow, json=json)


@app.command(rich_help_panel=ADMINISTRATION)
def approve(
    run: Run,
    step: Annotated[str, typer.Argument(help="What to sign off, as the run names it.")],
    environment: Environment = None,
    by: By = "",
    reason: Annotated[str, typer.Option(help="Why; kept in the record.")] = "",
    no: Annotated[bool, typer.Option("--no", help="Refuse instead.")] = False,
    json: Json = False,
) -> None:
    """Sign off a step that a run waits for."""
    from gonogo.app.answer import sign_off
    from gonogo.app.drive import owner
    from gonogo.cli.screen import as_json

    site = open_site(environment)
    view = sign_off(site, run, step, by=by, reason=reason, approved=not no)
    next_step = "" if owner(site) else f"gonogo resume {view.id}"
    if json:
        answer = {"run": view.id, "step": step, "approved": not no, "next": next_step}
        typer.echo(as_json(answer))
        return
    typer.echo(f"{'Refused' if no else 'Approved'} {step} of {view.id}.")
    if next_step:
        typer.echo(f"Nobody works on it. Next: {next_step}")


@app.command(rich_help_panel=ADMINISTRATION)
def worker(environment: Environment = None) -> None:
    """Run as a service: work on every run of this environment until stopped."""
    from gonogo.cli.service import serve

    serve(open_site(environment), console())


def main() -> None:
    """The entry point: every error becomes a sentence and an exit code, never a traceback."""
    tracebacks.keep_ignored()
    try:
        app(standalone_mode=True)
    except BadConfiguration as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        _next(error)
        sys.exit(error.exit_code)
    except GonogoError as error:
        name = "Refused" if isinstance(error, Refused) else "Error"
        typer.echo(f"{name}: {error.message}", err=True)
        _next(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        path = tracebacks.keep(error)
        typer.echo(f"Error in gonogo itself: {type(error).__name__}; details in {path}", err=True)
        sys.exit(ExitCode.FAILED)


def _next(error: GonogoError) -> None:
    if error.next_step:
        typer.echo(f"Next: {error.next_step}", err=True)

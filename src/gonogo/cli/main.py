"""The gonogo command. Every import that costs time is made inside the command that needs it."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gonogo import __version__
from gonogo.model.errors import BadConfiguration, ExitCode, GonogoError, Refused

if TYPE_CHECKING:
    from rich.console import Console

    from gonogo.model.plan import Plan
    from gonogo.wiring import Site

EVERYDAY, RECOVERY, ADMINISTRATION = "Everyday", "Recovery", "Administration"

app = typer.Typer(
    name="gonogo",
    help="Runs the release procedure of a web application.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
journal_app = typer.Typer(help="The record of all runs.", no_args_is_help=True)
app.add_typer(journal_app, name="journal", rich_help_panel=ADMINISTRATION)

Environment = Annotated[
    str | None, typer.Argument(help="Which environment; not needed when there is only one.")
]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]
By = Annotated[str, typer.Option("--by", help="Who you are; default GONOGO_PERSON or your login.")]
Ref = Annotated[str, typer.Option("--ref", help="The git commit to release.")]
At = Annotated[str, typer.Option("--at", help="When T-0 is: 2026-12-01T22:00 or +30m.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Leave with exit code 6 where the run waits.")
]
Run = Annotated[str, typer.Argument(help="The run: its id, the beginning of it, or `last`.")]


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
    from gonogo.config.init import propose

    path = Path("gonogo.yml")
    if path.exists() and not force:
        raise Refused("there is a gonogo.yml already", next_step="gonogo init --force replaces it")
    path.write_text(propose(Path.cwd()))
    typer.echo(path.read_text())
    ready = "\n    services:" in path.read_text()
    next_step = "gonogo plan deploy" if ready else "complete `services`, then: gonogo plan deploy"
    typer.echo(f"Wrote gonogo.yml. Nothing else was touched. Next: {next_step}")


@app.command(rich_help_panel=EVERYDAY)
def check(environment: Environment = None, json: Json = False, by: By = "") -> None:
    """Run the checks; changes nothing."""
    _run("check", environment, json=json, by=by)


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

    site = _site(environment, writes=False)
    made = _plan(site, Order(procedure=procedure, ref=ref))
    if json:
        typer.echo(site.redactor.text(as_json(made.to_json())))
        return
    release = made.release.label if made.release else "no release"
    text = [f"{made.app} → {made.environment} · {made.title} · {release}", *plan_lines(made)]
    if wrong := goes_wrong(made):
        text.append(f"If this goes wrong: {wrong}")
    typer.echo(site.redactor.text("\n".join(text)))
    typer.echo(f"\nNothing was touched. Next: gonogo {procedure} {made.environment}")


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
        _run(procedure, environment, ref=ref, at=at, json=json, by=by, wait=not no_wait)


_releasing("deploy", "Deploy for the first time.")
_releasing("update", "Update without downtime. Refuses when migrations are pending.")
_releasing("migrate", "Update with migrations: copy the database, migrate, hand over.")


@app.command(rich_help_panel=EVERYDAY)
def start(environment: Environment = None, json: Json = False, by: By = "") -> None:
    """Start the live release."""
    _run("start", environment, json=json, by=by)


@app.command(rich_help_panel=EVERYDAY)
def stop(environment: Environment = None, json: Json = False, by: By = "") -> None:
    """Stop the application; never deletes data."""
    _run("stop", environment, json=json, by=by)


@app.command(rich_help_panel=EVERYDAY)
def status(environment: Environment = None, json: Json = False) -> None:
    """What is live, what runs, who is at work."""
    from gonogo.cli.show import show_status

    show_status(_site(environment), json=json)


@app.command(rich_help_panel=EVERYDAY)
def logs(
    service: Annotated[str | None, typer.Argument(help="Which service; all without it.")] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="Which environment.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of each.")] = 50,
    grep: Annotated[str, typer.Option(help="Only lines with this regular expression.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    json: Annotated[bool, typer.Option("--json", help="A JSON object for each line.")] = False,
) -> None:
    """The last lines that the services wrote."""
    from gonogo.cli.show import show_logs

    site = _site(environment)
    show_logs(site, service, lines=lines, grep=grep, follow=follow, json=json)


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
    json: Json = False,
    by: By = "",
) -> None:
    """Go back to an earlier release."""
    if not database:
        _run("rollback", environment, to=to, json=json, by=by)
        return
    if database != "restore":
        raise Refused(f"--database {database} is not known", next_step="--database restore")
    from gonogo.app.answer import confirm_copy

    site = _site(environment)
    options = confirm_copy(site, confirm, to)
    _run("rollback-database", environment, to=to, json=json, by=by, options=options)


@app.command(rich_help_panel=RECOVERY)
def resume(
    run: Run = "last", environment: Environment = None, json: Json = False, no_wait: NoWait = False
) -> None:
    """Go on with a run that was interrupted or stopped."""
    from gonogo.app.runs import find_run
    from gonogo.cli.session import go_on
    from gonogo.wiring import clock

    site = _site(environment)
    view = find_run(site.journal, run, clock().now())
    if view.over:
        raise Refused(f"run {view.id} is over: {view.outcome}", next_step=f"gonogo show {view.id}")
    raise typer.Exit(go_on(site, view.id, _console(), json=json, wait=not no_wait))


@app.command(rich_help_panel=RECOVERY)
def abort(
    run: Run = "last", environment: Environment = None, json: Json = False, by: By = ""
) -> None:
    """Abort a run and undo what it did."""
    from gonogo.app.answer import ask_abort
    from gonogo.cli.session import go_on

    site = _site(environment)
    view = ask_abort(site, run, by)
    typer.echo(f"Asked run {view.id} to abort.", err=json)
    from gonogo.app.drive import owner

    if not owner(site):
        raise typer.Exit(go_on(site, view.id, _console(), json=json))


@app.command(rich_help_panel=ADMINISTRATION)
def runs(
    environment: Environment = None,
    number: Annotated[int, typer.Option("--number", "-n", help="How many.")] = 20,
    json: Json = False,
) -> None:
    """All runs, newest first."""
    from gonogo.cli.show import show_runs

    show_runs(_site(environment), number=number, json=json)


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

    show_run(_site(environment), run, html=html, output=output, follow=follow, json=json)


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

    site = _site(environment)
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

    serve(_site(environment), _console())


@journal_app.command("verify")
def journal_verify(environment: Environment = None, json: Json = False) -> None:
    """Check that no event was changed, removed or put in between."""
    from gonogo.cli.show import verify_journal

    raise typer.Exit(verify_journal(_site(environment), json=json))


@journal_app.command("export")
def journal_export(environment: Environment = None) -> None:
    """Every event as a line of JSON."""
    from gonogo.cli.show import export_journal

    export_journal(_site(environment))


def main() -> None:
    """The entry point: every error becomes a sentence and an exit code, never a traceback."""
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
        path = _log_error(error)
        typer.echo(f"Error in gonogo itself: {type(error).__name__}; details in {path}", err=True)
        sys.exit(ExitCode.FAILED)


def _next(error: GonogoError) -> None:
    if error.next_step:
        typer.echo(f"Next: {error.next_step}", err=True)


def _log_error(error: Exception) -> Path:
    """Keep the traceback in the environment's log or, before there is one, in a private folder."""
    import tempfile

    if not logging.getLogger().handlers:
        folder = Path(tempfile.mkdtemp(prefix="gonogo-error-"))
        logging.basicConfig(filename=folder / "traceback.log")
    logging.getLogger("gonogo").error("unexpected", exc_info=error)
    handler = logging.getLogger().handlers[0]
    return Path(getattr(handler, "baseFilename", ""))


def _site(environment: str | None, *, writes: bool = True) -> Site:
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


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _plan(site: Site, order: Any) -> Plan:
    import asyncio

    from gonogo.app.start import plan_run

    return asyncio.run(plan_run(site, order))


def _run(
    procedure: str,
    environment: str | None,
    *,
    ref: str = "HEAD",
    to: str = "",
    at: str = "",
    json: bool,
    by: str = "",
    options: dict[str, Any] | None = None,
    wait: bool = True,
) -> None:
    from gonogo.app.start import Order, t_zero
    from gonogo.cli.session import begin

    site = _site(environment)
    order = Order(procedure=procedure, ref=ref, to=to, at=t_zero(at), by=by, options=options or {})
    raise typer.Exit(begin(site, _plan(site, order), _console(), json=json, wait=wait))

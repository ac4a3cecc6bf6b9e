"""Leaving a run: what a command says depends on who works on it."""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from gonogo.app.drive import owned
from gonogo.cli.session import SERVICE, go_on
from gonogo.model.configuration import Configuration, Environment
from gonogo.model.errors import ExitCode, Interrupted
from gonogo.model.event import Event
from gonogo.model.plan import Plan, PlanPhase
from gonogo.wiring import Site

RUN = "update-1"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with a run that is not over."""
    environment = Environment(name="development")
    configuration = Configuration(app="shop", environments={"development": environment})
    one = Site(project=tmp_path, configuration=configuration, environment=environment)
    plan = Plan(
        run=RUN,
        app="shop",
        environment="development",
        procedure="update",
        title="Update",
        by="aiko",
        machine="desk",
        project=str(tmp_path),
        release=None,
        previous=None,
        configuration={},
        phases=(PlanPhase(id="execute", title="Update", steps=()),),
        t_zero=0.0,
    )
    one.journal.append(RUN, "planned", {"plan": plan.to_json()})
    return one


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """A command sets handlers of signals; they are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_following_is_told_that_the_service_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: signal.raise_signal(number))
    with owned(site, SERVICE), pytest.raises(Interrupted) as left:
        go_on(site, RUN, Console(quiet=True), json=False)
    assert left.value.message == f"left; the service goes on with run {RUN}"
    assert left.value.next_step == f"gonogo show {RUN}, or gonogo abort {RUN}"
    assert left.value.exit_code is ExitCode.INTERRUPTED


def test_what_a_run_waits_for_is_shown_before_the_command_leaves(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins to wait at the worst moment: between two looks at the journal."""
    looks, look = iter(range(1000)), site.journal.events

    def events(run: str, *, after: int = 0) -> Sequence[Event]:
        found = look(run, after=after)
        if next(looks) == 1:
            site.journal.append(run, "waiting", {"for": "sign-off", "title": "sign"}, step="final")
        return found

    monkeypatch.setattr(site.journal, "events", events)
    shown = io.StringIO()
    with owned(site, SERVICE):
        code = go_on(site, RUN, Console(file=shown, width=200), json=False, wait=False)
    assert code is ExitCode.WAITING
    assert f"gonogo approve {RUN} final" in shown.getvalue()

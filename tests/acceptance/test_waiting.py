"""Runs that wait, for a time or for a person: they survive everything, and nobody waits twice."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from .site import Site, until

PROCEDURES = """\
procedures:
  update:
    before:
      foundation:
        - {sign-off: manager, id: go-ahead, title: Release tonight?}
"""
HOUR = 3600.0

Build = Callable[..., Site]


@pytest.fixture(scope="module")
def site(build_for_all: Build) -> Site:
    """A site whose updates need a sign-off, with a clock that the test moves."""
    one = build_for_all(worker=False, procedures=PROCEDURES)
    one.environment["GONOGO_CLOCK"] = str(one.folder / "clock")
    one.deploy()
    return one


def _move_clock(site: Site, seconds: float) -> None:
    path = Path(site.environment["GONOGO_CLOCK"])
    now = float(path.read_text()) if path.exists() else 0.0
    path.with_suffix(".new").write_text(str(now + seconds))
    path.with_suffix(".new").replace(path)


def _waits(site: Site, what: str) -> bool:
    run = site.last_run()
    return any(one["body"]["for"] == what for one in site.events("waiting", run))


def _parked(site: Site) -> str:
    """A run that waits for the sign-off, with nobody working on it."""
    site.release()
    site.run("update", "--no-wait", expect=6)
    return site.last_run()


def _started(site: Site, *more: str) -> subprocess.Popen[str]:
    """An update that waits for the sign-off and is followed."""
    former = site.last_run()
    process = site.start("update", *more)
    until(lambda: site.last_run() != former and _waits(site, "sign-off"), "it waits")
    return process


def test_it_waits_for_a_person_and_for_the_time(site: Site) -> None:
    """kill -9 in both waits; a second process approves; the clock that moves wakes it."""
    number = site.release()
    process = _started(site, "--at", "+1h")
    run = site.last_run()
    process.kill()
    site.finish(process, expect=-signal.SIGKILL)
    process = site.start("resume", "last")
    site.run("approve", run, "go-ahead", "--by", "chiyo", "--reason", "tests are green")
    until(lambda: _waits(site, "time"), "it waits for T-0")
    process.kill()
    site.finish(process, expect=-signal.SIGKILL)
    process = site.start("resume", run)
    time.sleep(1.5)
    assert process.poll() is None
    assert site.serving() != number
    _move_clock(site, HOUR + 1)
    ran = site.finish(process, expect=0, timeout=30)
    assert "approved by chiyo: tests are green" in json.dumps(site.events("result", run))
    assert site.serving() == number, ran.text
    assert len(site.events("sign-off", run)) == 1


def test_an_approval_while_it_works_goes_on_at_once(site: Site) -> None:
    site.release()
    process = _started(site)
    site.run("approve", "last", "go-ahead")
    site.finish(process, expect=0)
    events = site.events(run=site.last_run())
    asked = next(one for one in events if one["kind"] == "sign-off")
    result = next(one for one in events if one["kind"] == "result" and one["step"] == "go-ahead")
    assert result["at"] - asked["at"] < 2.0


def test_no_wait_leaves_and_resume_goes_on(site: Site) -> None:
    run = _parked(site)
    status = site.run("status").output
    assert run in status
    ran = site.run("update", expect=7)
    assert run in ran.errors
    assert "gonogo approve" in ran.errors
    site.run("resume", "last", "--no-wait", expect=6)
    site.run("approve", run, "go-ahead")
    ran = site.run("approve", run, "go-ahead", "--by", "bela", expect=7)
    assert "Refused" in ran.errors
    site.run("resume", run, expect=0)
    assert site.serving() == site.number


def test_a_refused_sign_off_ends_the_run(site: Site) -> None:
    before = site.serving()
    run = _parked(site)
    site.run("approve", run, "go-ahead", "--no", "--reason", "not today")
    ran = site.run("resume", run, expect=3)
    assert "not today" in ran.text
    assert site.serving() == before
    assert site.holder() is None


def test_a_waiting_run_can_be_aborted(site: Site) -> None:
    before = site.serving()
    run = _parked(site)
    site.run("abort", run, expect=1)
    assert site.outcome() == "aborted"
    assert site.serving() == before
    assert site.holder() is None


def test_a_plan_of_another_format_is_refused_by_name(site: Site) -> None:
    """Parked, then opened by a version that does not know its format: said, never stranded."""
    run = _parked(site)
    site.run("approve", run, "go-ahead")
    _rewrite_format(site, run, 99)
    for words in (["resume", "last"], ["resume", run]):
        ran = site.run(*words, expect=7)
        assert run in ran.errors
        assert "format 99" in ran.errors
        assert "Next: " in ran.errors
    assert run in site.run("status").output
    _rewrite_format(site, run, 1)
    site.run("resume", run, expect=0)
    assert site.serving() == site.number


def test_a_service_names_a_run_it_cannot_read(site: Site) -> None:
    """It says so and goes on with its work; the run is there for the version that can."""
    run = _parked(site)
    _rewrite_format(site, run, 99)
    service = site.start("worker")
    assert service.stdout
    said = next(line for line in service.stdout if "not run" in line)
    service.send_signal(signal.SIGTERM)
    site.finish(service, expect=0)
    assert run in said
    assert "format 99" in said
    _rewrite_format(site, run, 1)
    site.run("abort", run, expect=1)


def _rewrite_format(site: Site, run: str, number: int) -> None:
    """What an update of gonogo does to a parked run: another format, in both databases."""
    with closing(sqlite3.connect(site.data / "journal.db")) as journal, journal:
        journal.execute("DROP TRIGGER IF EXISTS events_are_never_changed")
        (body,) = journal.execute(
            "SELECT body FROM events WHERE run = ? AND kind = 'planned'", (run,)
        ).fetchone()
        content = json.loads(body)
        content["plan"]["format"] = number
        journal.execute(
            "UPDATE events SET body = ? WHERE run = ? AND kind = 'planned'",
            (json.dumps(content), run),
        )
    with closing(sqlite3.connect(site.data / "dbos.db")) as durable, durable:
        (inputs,) = durable.execute(
            "SELECT inputs FROM workflow_input WHERE workflow_uuid = ?", (run,)
        ).fetchone()
        changed = json.loads(inputs)
        changed["args"][0]["format"] = number
        durable.execute(
            "UPDATE workflow_input SET inputs = ? WHERE workflow_uuid = ?",
            (json.dumps(changed), run),
        )

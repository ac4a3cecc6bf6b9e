"""Every exit code comes from a real command, and every error is a sentence with a next step."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .proof import Visitor
from .site import Site, until

SETTINGS = """\
checks:
  - {id: open, command: {run: [test, "!", -e, closed]}, run: before}
  - {id: answers, http: {service: web, path: /, expect: [status == 200]}, run: after}
"""

Build = Callable[..., Site]


@pytest.fixture(scope="module")
def site(build_for_all: Build) -> Site:
    """A site with a release that is live."""
    one = build_for_all(worker=False, settings=SETTINGS)
    one.deploy()
    return one


def test_0_ok(site: Site) -> None:
    number = site.release()
    with Visitor(site.url) as visitor:
        ran = site.run("update", expect=0)
    assert "Done." in ran.output
    assert site.serving() == number
    assert visitor.requests > 20
    assert not visitor.failures


def test_0_read_only_commands(site: Site) -> None:
    for words in (["status"], ["runs"], ["show", "last"], ["plan", "update"], ["check"]):
        assert site.run(*words, expect=0).output
    assert site.run("journal", "verify", expect=0).output


def test_1_the_build_fails(site: Site) -> None:
    before = site.serving()
    site.release(mode="build-fails")
    ran = site.run("update", expect=1)
    assert "the build is broken" in ran.text
    assert "Next: correct it, commit, and deploy again" in ran.text
    assert site.serving() == before
    assert site.holder() is None


def test_2_a_word_that_is_no_option(site: Site) -> None:
    assert "--nonsense" in site.run("update", "--nonsense", expect=2).errors


def test_3_a_check_fails_before_anything_is_touched(site: Site) -> None:
    before, builds = site.serving(), site.commands()
    site.release()
    closed = site.project / "closed"
    closed.touch()
    try:
        ran = site.run("update", expect=3)
    finally:
        closed.unlink()
    assert "No-go." in ran.output
    assert "open" in ran.output
    assert site.serving() == before
    assert site.commands() == builds


def test_7_an_update_with_pending_migrations(site: Site) -> None:
    """It stops before anything that runs is touched, names the migration and what to type."""
    before, applied = site.serving(), site.migrations()
    site.release(migrations=applied + 1)
    ran = site.run("update", expect=7)
    assert f"{applied + 1:04d}_add" in ran.text
    assert "gonogo migrate" in ran.text
    assert (site.serving(), site.migrations()) == (before, applied)
    site.release(migrations=applied)


def test_4_the_new_version_is_never_healthy(site: Site) -> None:
    """The old one serves all the time, and everything of the new one is gone."""
    before = site.serving()
    old = site.snapshot()["instances"]
    site.release(mode="never-healthy")
    with Visitor(site.url) as visitor:
        ran = site.run("update", expect=4)
    assert "did not get healthy" in ran.text
    assert not visitor.failures
    assert site.serving() == before
    assert len(site.snapshot()["instances"]) == len(old)


def test_4_the_new_version_fails_after_the_switch(site: Site) -> None:
    before = site.serving()
    site.release(mode="answers-500")
    ran = site.run("update", expect=4)
    assert "Rolled back." in ran.output
    assert site.serving() == before
    live = site.live()
    assert live and live["good"]


def test_5_partial_6_waiting(build: Build) -> None:
    """Undoing the migration loses data, so it asks; somebody says no."""
    site = build(worker=False, online=False)
    site.deploy()
    site.release(migrations=2, mode="never-healthy")
    ran = site.run("migrate", "--no-wait", expect=6)
    assert "gonogo approve" in ran.output
    step = site.events("waiting")[-1]["step"]
    site.run("approve", "last", step, "--no", "--reason", "we repair it by hand")
    ran = site.run("resume", "last", expect=5)
    assert "Partly undone" in ran.output
    assert site.migrations() == 2
    assert site.holder() is None


def test_7_refused(site: Site) -> None:
    ran = site.run("deploy", expect=7)
    assert "Refused: " in ran.errors
    assert "Next: gonogo update" in ran.errors


@pytest.mark.parametrize(
    "words",
    [
        ["rollback", "--to", "2020-01-01.1"],
        ["resume", "last"],
        ["abort", "last"],
        ["approve", "last", "nothing"],
        ["update", "--at", "soon"],
        ["status", "production"],
        ["rollback", "--database", "restore"],
    ],
)
def test_7_each_refusal_says_what_to_do(site: Site, words: list[str]) -> None:
    ran = site.run(*words, expect=7)
    assert ran.errors.startswith("Refused: ")
    assert "Next: " in ran.errors, ran.errors


def test_1_what_does_not_exist(site: Site) -> None:
    for words in (["show", "nothing"], ["resume", "nothing"], ["plan", "nothing"]):
        ran = site.run(*words, expect=1)
        assert ran.errors.startswith("Error: ")
        assert "Next: " in ran.errors
    ran = site.run("update", "--ref", "nothing", expect=None)
    assert ran.code in (1, 7)
    assert "nothing" in ran.errors


def test_78_bad_configuration(site: Site) -> None:
    path = site.project / "gonogo.yml"
    text = path.read_text()
    path.write_text(text.replace("command: [python", "comand: [python", 1))
    try:
        ran = site.run("update", expect=78)
    finally:
        path.write_text(text)
    assert "gonogo.yml:" in ran.errors
    assert "comand" in ran.errors


def test_78_no_project(site: Site, tmp_path: Path) -> None:
    ran = site.run("-C", str(tmp_path), "status", expect=None)
    assert ran.code in (7, 78)
    assert "gonogo.yml" in ran.errors
    assert "gonogo init" in ran.errors


@pytest.mark.parametrize("after", [0.1, 0.5])
def test_130_stopped_while_it_starts(site: Site, after: float) -> None:
    """Planned, and its worker not quite there."""
    version, former = site.release(), site.last_run()
    process = site.start("update")
    until(lambda: site.last_run() != former, "it is planned")
    time.sleep(after)
    process.terminate()
    ran = site.finish(process, expect=130)
    assert f"gonogo resume {site.last_run()}" in ran.errors
    site.run("resume", "last", expect=0)
    assert site.serving() == version


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_130_stopped_and_resumed(site: Site, number: signal.Signals) -> None:
    """Without a terminal nobody can be asked: it stops where it is and can go on."""
    version = site.release(build_seconds=3)
    process = site.start("update")
    until(lambda: site.commands()[f"build-begin {version}"], "the build begins")
    process.send_signal(number)
    ran = site.finish(process, expect=130)
    assert "can go on" in ran.errors
    assert f"gonogo resume {site.last_run()}" in ran.errors
    assert not site.outcome()
    site.run("resume", "last", expect=0)
    assert site.serving() == version

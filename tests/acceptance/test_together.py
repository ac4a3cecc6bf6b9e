"""Two commands at once: one works, the other is told who does, and a dead one is no obstacle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from .site import Site, Terminal, until

Build = Callable[..., Site]


@pytest.fixture(scope="module")
def site(build_for_all: Build) -> Site:
    """A site with a release that is live."""
    one = build_for_all(worker=False)
    one.deploy()
    return one


@pytest.fixture
def other(site: Site) -> Iterator[dict[str, str]]:
    """The variables of a colleague on the same machine, with an empty data directory."""
    folder = site.folder / f"other-{len(list(site.folder.iterdir()))}"
    yield {"GONOGO_DATA": str(folder), "GONOGO_PERSON": "bela"}
    assert folder.exists()


def _slow_update(site: Site, variables: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """An update that is in the middle of a long build."""
    number = site.release(build_seconds=4)
    process = site.start("update", variables=variables)
    until(lambda: site.commands()[f"build-begin {number}"], "the build begins")
    return process


def test_two_from_one_data_directory(site: Site) -> None:
    first = _slow_update(site)
    ran = site.run("update", expect=7)
    assert "gonogo update by aiko" in ran.errors
    assert f"process {first.pid}" in ran.errors
    assert "since " in ran.errors
    assert "Next: " in ran.errors
    site.finish(first, expect=0)
    assert site.serving() == site.number
    assert len(site.events("planned")) == len(site.events("ended"))


def test_two_started_in_the_same_moment(site: Site) -> None:
    site.release(build_seconds=2)
    both = [site.start("update") for _ in range(2)]
    codes = sorted(site.finish(one, expect=None).code for one in both)
    assert codes == [0, 7]
    assert site.commands()[f"build-begin {site.number}"] == 1


def test_two_from_two_data_directories(site: Site, other: dict[str, str]) -> None:
    """The target knows who is at work, and what is live."""
    first = _slow_update(site)
    ran = site.run("update", expect=7, variables=other)
    for word in (site.last_run(), "aiko", socket.gethostname(), "since "):
        assert word in ran.text
    assert "Refused" in ran.text
    site.finish(first, expect=0)
    number = site.release()
    site.run("update", variables=other)
    assert site.serving() == number
    assert site.commands()[f"build-begin {number}"] == 1
    assert site.holder() is None


def test_the_second_ends_with_what_it_planned_on(site: Site, other: dict[str, str]) -> None:
    """Planned while another run was under way: nothing is undone behind that one's back."""
    ran = site.run("status", "--json", variables=other)
    live = site.live()
    assert live and live["release"]["id"] in ran.json()["live"]["release"]


def test_a_killed_holder_is_taken_over_and_fenced(site: Site, other: dict[str, str]) -> None:
    overtaken = _slow_update(site)
    run = site.last_run()
    overtaken.kill()
    site.finish(overtaken, expect=-signal.SIGKILL)
    held = site.holder()
    assert held and held["run"] == run
    number = site.release()
    site.run("update", variables=other)
    assert site.serving() == number
    ran = site.run("resume", run, expect=7)
    assert "Refused" in ran.text
    assert run in ran.text
    assert site.serving() == number
    assert site.holder() is None


def test_a_holder_that_only_stands_still_is_not_taken_over(
    site: Site, other: dict[str, str]
) -> None:
    first = _slow_update(site)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        ran = site.run("update", expect=7, variables=other)
        assert site.last_run() in ran.text
    finally:
        os.kill(first.pid, signal.SIGCONT)
    site.finish(first, expect=0)


def test_a_command_follows_the_running_service(site: Site) -> None:
    service = site.start("worker")
    until((site.data / "worker.lock").exists, "the service owns the directory")
    until(lambda: "gonogo service" in (site.data / "worker.lock").read_text(), "it says so")
    number = site.release()
    ran = site.run("update", "--json", expect=0)
    assert ran.json()["outcome"] == "ok"
    assert site.serving() == number
    site.release(mode="never-healthy")
    site.run("update", expect=4)
    assert site.serving() == number
    os.kill(service.pid, signal.SIGTERM)
    assert "stopped" in site.finish(service, expect=0).output
    site.release()
    site.run("update", expect=0)


def test_a_killed_service_goes_on_with_its_run(site: Site) -> None:
    """The command that follows goes on following; the next service finishes the run."""
    service = site.start("worker")
    until(lambda: _owner(site) == service.pid, "the service owns the directory")
    follower = _slow_update(site)
    service.kill()
    site.finish(service, expect=-signal.SIGKILL)
    again = site.start("worker")
    try:
        assert site.finish(follower, expect=0)
        assert site.serving() == site.number
    finally:
        os.kill(again.pid, signal.SIGTERM)
        site.finish(again, expect=0)


def _owner(site: Site) -> int:
    path = site.data / "worker.lock"
    content = path.read_text() if path.exists() else ""
    pid: int = json.loads(content)["pid"] if content else 0
    return pid


def test_ctrl_c_stops_here(site: Site) -> None:
    terminal = _at_the_terminal(site)
    terminal.type("\x03")
    terminal.until("abort and undo")
    terminal.type("s\n")
    assert terminal.end() == 130
    assert f"gonogo resume {site.last_run()}" in terminal.text
    assert "Exception" not in terminal.text
    site.run("resume", "last", expect=0)
    assert site.serving() == site.number


def test_ctrl_c_and_enter_goes_on(site: Site) -> None:
    terminal = _at_the_terminal(site)
    terminal.type("\x03")
    terminal.until("abort and undo")
    terminal.type("\n")
    assert terminal.end() == 0
    assert site.serving() == site.number


def test_ctrl_c_aborts_and_undoes(site: Site) -> None:
    before = site.serving()
    terminal = _at_the_terminal(site)
    terminal.type("\x03")
    terminal.until("abort and undo")
    terminal.type("a\n")
    assert terminal.end() in (1, 4)
    assert site.outcome() in ("aborted", "failed", "rolled-back")
    assert site.serving() == before
    assert site.holder() is None
    assert not site.snapshot()["temporary"]


def test_ctrl_c_while_a_service_works_only_leaves(site: Site) -> None:
    service = site.start("worker")
    until(lambda: _owner(site) == service.pid, "the service owns the directory")
    try:
        terminal = _at_the_terminal(site)
        terminal.type("\x03")
        terminal.until("leave, the service goes on")
        terminal.type("s\n")
        assert terminal.end() == 130
        assert f"gonogo abort {site.last_run()}" in terminal.text
        until(lambda: site.outcome() == "ok", "the service ends the run")
        assert site.serving() == site.number
    finally:
        os.kill(service.pid, signal.SIGTERM)
        site.finish(service, expect=0)


def _at_the_terminal(site: Site) -> Terminal:
    """An update on a terminal, in the middle of a build."""
    number = site.release(build_seconds=4)
    terminal = Terminal(site, ["update"])
    until(lambda: site.commands()[f"build-begin {number}"], "the build begins")
    return terminal

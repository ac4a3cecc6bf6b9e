"""Flags: turned while users are served, kept by every later run, and never half turned."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable

import pytest

from .proof import Visitor, sample
from .site import Site

SETTINGS = """\
flags:
  NEW_CHECKOUT: {off: "false", services: [web]}
  BUILT: {build: true}
checks:
  - {id: answers, http: {service: web, path: /, expect: [status == 200]}, run: after}
"""
CONFIGURED = 'NEW_CHECKOUT: "maybe"'
FLAG = "NEW_CHECKOUT"
KILLS = 6

Build = Callable[..., Site]


@pytest.fixture(scope="module")
def site(build_for_all: Build) -> Site:
    """A site with a release that is live, whose web service reads a flag."""
    one = build_for_all(settings=SETTINGS, variables=CONFIGURED)
    one.deploy()
    return one


def served(site: Site) -> str:
    """The flag's value by the application's own word."""
    with urllib.request.urlopen(f"{site.url}/version", timeout=5) as answer:
        return str(json.loads(answer.read())["flag"])


def instances(site: Site) -> dict[str, str]:
    """Each service's one instance."""
    names = [path.stem for path in (site.target / "instances").glob("*.json")]
    assert len(names) == len({name.partition("--")[0] for name in names}), names
    return {name.partition("--")[0]: name for name in names}


def worker(site: Site) -> int:
    """The worker's process."""
    (one,) = (pid for pid, line in site.processes() if line.split()[-2:] == ["app.py", "worker"])
    return one


def test_only_what_reads_it_is_started_anew_and_nobody_notices(site: Site) -> None:
    before, process, release = instances(site), worker(site), site.live()
    assert served(site) == "maybe"
    with Visitor(site.url) as visitor:
        site.run("flags", "set", FLAG, "true", "--reason", "launch day")
    assert served(site) == "true"
    assert not visitor.failures and visitor.requests > 20
    after = instances(site)
    assert (after["worker"], worker(site)) == (before["worker"], process)
    assert after["web"].startswith(before["web"] + ".")
    assert site.live() == release

    (listed,) = (
        one for one in site.run("flags", "list", "--json").json()["flags"] if one["name"] == FLAG
    )
    assert (listed["value"], listed["configured"], listed["off"]) == ("true", "maybe", "false")
    assert (listed["set"]["by"], listed["set"]["reason"]) == ("aiko", "launch day")
    assert "set by aiko" in site.run("flags", "list").output
    assert site.run("flags", "set", FLAG, "true").output.count("already") == 1
    assert instances(site) == after


def test_it_survives_updates_rollbacks_and_a_stop(site: Site) -> None:
    site.run("flags", "set", FLAG, "true")
    number = site.release()
    site.run("update")
    assert (site.serving(), served(site)) == (number, "true")
    site.run("rollback")
    assert (site.serving(), served(site)) == (number - 1, "true")
    site.run("stop")
    site.run("flags", "disable", FLAG)
    assert site.serving() == 0
    site.run("start")
    assert (site.serving(), served(site)) == (number - 1, "false")
    site.run("flags", "unset", FLAG)
    assert served(site) == "maybe"
    assert "." not in instances(site)["web"].rpartition("--")[2]


def test_a_value_that_does_not_work_is_taken_back(site: Site) -> None:
    site.run("flags", "set", FLAG, "true")
    before = instances(site)
    with Visitor(site.url) as visitor:
        ran = site.run("flags", "set", FLAG, "crazy", expect=4)
    assert "did not get healthy" in ran.text
    assert not visitor.failures
    assert (served(site), instances(site)) == ("true", before)
    shown = site.run("flags", "list").output
    assert "crazy" not in shown and "true" in shown


def test_what_cannot_be_turned_is_refused_in_words(site: Site) -> None:
    ran = site.run("flags", "set", "BUILT", "1", expect=7)
    assert "declared with `build: true`" in ran.text and "gonogo update development" in ran.text
    ran = site.run("flags", "set", "NEW_CHECKUOT", "1", expect=7)
    assert "did you mean NEW_CHECKOUT?" in ran.text


def test_a_no_go_disables_the_flag_and_the_release_stays(build: Build) -> None:
    site = build(
        settings=SETTINGS + "on_no_go: disable NEW_CHECKOUT\n", variables=CONFIGURED, worker=False
    )
    site.deploy()
    site.run("flags", "set", FLAG, "true")
    number = site.release(mode="flag-breaks")
    assert "On a no-go, instead of undoing: disable NEW_CHECKOUT" in site.run("plan", "update").text
    ran = site.run("update", expect=3)
    assert (site.serving(), served(site)) == (number, "false")
    assert "the release stays, NEW_CHECKOUT is off" in ran.text
    assert "no-go of update-" in site.run("flags", "list").output

    site.release(mode="answers-500")  # the flag is off, so it is not what is wrong
    site.run("update", expect=4)
    assert (site.serving(), served(site)) == (number, "false")


def test_a_turn_killed_at_any_boundary_goes_on(site: Site) -> None:
    path = site.folder / "moments-flags"
    site.run("flags", "set", FLAG, "a", runner=True, variables={"MOMENTS": str(path)})
    moments = path.read_text().splitlines()
    with Visitor(site.url) as visitor:
        for turn, number in enumerate(sample(range(2, len(moments) + 1), KILLS)):
            value = "bc"[turn % 2]
            at = {"KILL_AT": str(number)}
            killed = site.run("flags", "set", FLAG, value, runner=True, variables=at, expect=None)
            assert killed.code == -9, moments[number - 1]
            if site.outcome() != "ok":
                site.run("resume", expect=None)
            if served(site) != value:  # killed before the run was written down
                site.run("flags", "set", FLAG, value)
            assert served(site) == value, moments[number - 1]
            assert len(instances(site)) == 2
    assert not visitor.failures

"""kill -9 at every moment of a run: it goes on, nothing is done twice, nothing is left over.

By default a sample of the moments is tried. GONOGO_PROOF_KILLS=500 tries every moment and kills
500 times at random; GONOGO_PROOF_RESULTS names a folder for the figures.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from .proof import KILLS, LANES, Visitor, sample, side_by_side, write_results
from .site import Ran, Site, until

pytestmark = pytest.mark.alone

MOMENTS = 8
RANDOM = 50
ABORTS = 3
TRAFFIC = {"migrate": ("after journal: phase migrate", "before journal: phase switch")}
"""Moments at which an abort cuts a switch of the traffic in its middle: always tried."""
LONGEST = 7.0
"""Seconds within which a random kill comes; a run takes about six."""

Build = Callable[..., Site]


@dataclass
class Lane:
    """A site that gets one release after the other. A failed trial makes it start anew."""

    build: Build
    site: Site = field(init=False)
    expected: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """A new site with three releases, the last two kept; its state is what is expected."""
        self.site = self.build(online=False)
        self.site.deploy()
        self.migrations = 1
        for _ in range(2):
            self.next("update")
            self.site.run("update")
        self.expected = self.site.snapshot()

    def next(self, procedure: str) -> int:
        """Commit the next version; one with a migration for `migrate`."""
        self.migrations = self.site.migrations() + (procedure == "migrate")
        return self.site.release(migrations=self.migrations)

    def moments(self, procedure: str) -> list[str]:
        """The names of all moments of a run that is not killed; it must end as expected."""
        path = self.site.folder / f"moments-{procedure}"
        self.next(procedure)
        self.site.run(procedure, runner=True, variables={"MOMENTS": str(path)})
        assert self.site.snapshot() == self.expected
        return path.read_text().splitlines()


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Kill a run of this procedure: at a moment (its number and name), or after some seconds."""

    procedure: str
    moment: int = 0
    name: str = ""
    after: float = 0.0
    then: str = "resume"


@pytest.fixture(scope="module")
def lanes(build_for_all: Build) -> list[Lane]:
    """Sites that are ready."""
    return side_by_side([None] * LANES, range(LANES), lambda _, __: Lane(build_for_all))


@pytest.fixture(scope="module")
def moments(lanes: list[Lane]) -> dict[str, list[str]]:
    """The moments of an update and of a migration."""
    return {procedure: lanes[0].moments(procedure) for procedure in ("update", "migrate")}


def _at_moments(moments: dict[str, list[str]], procedure: str) -> list[Trial]:
    names = moments[procedure]
    return [
        Trial(procedure=procedure, moment=number, name=names[number - 1])
        for number in sample(range(1, len(names) + 1), MOMENTS)
    ]


@pytest.mark.parametrize("procedure", ["update", "migrate"])
def test_a_run_killed_at_any_boundary_goes_on(
    lanes: list[Lane], moments: dict[str, list[str]], procedure: str
) -> None:
    """Before and after each journal write, and after each stored position."""
    trials = _at_moments(moments, procedure)
    _judge(f"kill-boundaries-{procedure}", side_by_side(lanes, trials, _attempt))


def test_a_run_killed_at_a_random_time_goes_on(lanes: list[Lane]) -> None:
    """From outside, in the middle of whatever it does."""
    trials = [
        Trial(procedure=random.choice(["update", "migrate"]), after=random.uniform(0.3, LONGEST))
        for _ in range(KILLS or RANDOM)
    ]
    _judge("kill-random", side_by_side(lanes, trials, _attempt))


def test_an_abort_after_a_kill_ends_in_the_old_state(
    lanes: list[Lane], moments: dict[str, list[str]]
) -> None:
    """Everything is taken back; what a migration changed only after somebody agreed."""
    trials = []
    for procedure in ("update", "migrate"):
        names = moments[procedure]
        end = names.index("before journal: result record")
        always = {names.index(one) + 1 for one in TRAFFIC.get(procedure, ())}
        trials += [
            Trial(procedure=procedure, moment=number, name=names[number - 1], then="abort")
            for number in sorted({*sample(range(3, end), ABORTS), *always})
        ]
    _judge("kill-abort", side_by_side(lanes, trials, _attempt))


def _judge(name: str, results: list[dict[str, Any]]) -> None:
    failures = [one for one in results if one["problem"]]
    write_results(name, {"trials": len(results), "failed": len(failures), "each": results})
    assert not failures, "\n\n".join(f"{one['trial']}: {one['problem']}" for one in failures)


def _attempt(lane: Lane, trial: Trial) -> dict[str, Any]:
    """One trial; what went wrong stands in `problem`."""
    result: dict[str, Any] = {"trial": f"{trial.procedure} {trial.name or trial.after}"}
    problem = ""
    try:
        result |= (_abort if trial.then == "abort" else _resume)(lane, trial)
    except AssertionError as error:
        problem = str(error)
        lane.renew()
    return {**result, "problem": problem}


def _kill(lane: Lane, trial: Trial) -> tuple[int, Ran]:
    """Start the procedure and see it die; answers the version it was for."""
    number = lane.next(trial.procedure)
    if trial.moment:
        variables = {"KILL_AT": str(trial.moment)}
        ran = lane.site.run(trial.procedure, runner=True, variables=variables, expect=None)
        assert ran.code == -signal.SIGKILL, f"it was not killed: {ran}"
        return number, ran
    process = lane.site.start(trial.procedure)
    time.sleep(trial.after)
    process.kill()
    return number, lane.site.finish(process, expect=None)


def _resume(lane: Lane, trial: Trial) -> dict[str, Any]:
    """Killed, then gone on with: as if it had not been killed."""
    site, former = lane.site, lane.site.last_run()
    with Visitor(site.url) as visitor:
        number, ran = _kill(lane, trial)
        before = _done(site, number, former)
        begun = time.monotonic()
        _go_on(site, trial.procedure, former)
        seconds = time.monotonic() - begun
    if trial.procedure == "update":
        assert not visitor.failures, f"{len(visitor.failures)} requests failed"
    assert site.outcome() == "ok"
    found = site.snapshot()
    assert found == lane.expected, _differences(found, lane.expected)
    assert site.serving() == number
    assert site.migrations() == lane.migrations
    _assert_once(site, number, trial, before)
    return {"seconds": round(seconds, 2), "killed": ran.code < 0, "requests": visitor.requests}


def _go_on(site: Site, procedure: str, former: str) -> None:
    """Resume; start again what died before it was planned; leave alone what was over."""
    if site.last_run() == former:
        site.run(procedure)
    elif site.outcome():
        site.run("resume", "last", expect=7)
    else:
        site.run("resume", "last")


def _done(site: Site, number: int, former: str) -> dict[str, int]:
    """What the application was made to do for steps that have a result, and how often."""
    run = site.last_run()
    finished = {one["step"] for one in site.events("result", run)} if run != former else set()
    return {
        command: site.commands()[f"{command} {number}"]
        for command, step in _STEPS.items()
        if finished & set(step)
    }


_STEPS = {
    "build-end": ["build"],
    "migrate": ["migrate-offline"],
    "web": ["launch:web"],
    "worker": ["launch:worker"],
}
"""Commands of the application, and the steps that run them."""


def _assert_once(site: Site, number: int, trial: Trial, before: dict[str, int]) -> None:
    """No finished step acted again; killed exactly at a boundary, nothing at all ran twice."""
    counts = site.commands()
    after = {command: counts[f"{command} {number}"] for command in _STEPS}
    again = {command: after[command] for command, count in before.items() if after[command] > count}
    assert not again, f"finished steps acted again: {again}"
    most = 1 if trial.moment else 2
    assert all(count <= most for count in after.values()), f"ran too often: {after}"


def _abort(lane: Lane, trial: Trial) -> dict[str, Any]:
    """Killed, then aborted: as it was before."""
    site = lane.site
    old = _state(site)
    _kill(lane, trial)
    begun = time.monotonic()
    process = site.start("abort", "last")
    until(lambda: process.poll() is not None or _approve(site), "the abort ends", 60)
    ran = site.finish(process, expect=None)
    codes = {"rolled-back": 4, "aborted": 1, "failed": 1}
    assert ran.code == codes.get(site.outcome()), f"{site.outcome()}: {ran.text}"
    new = _state(site)
    assert new == old, _differences(new, old)
    return {"seconds": round(time.monotonic() - begun, 2), "outcome": site.outcome()}


def _approve(site: Site) -> bool:
    """Agree that what a migration changed is lost, if the run asks for that."""
    run = site.last_run()
    asked = {one["step"] for one in site.events("waiting", run) if one["body"]["for"] == "sign-off"}
    for step in asked - {one["step"] for one in site.events("sign-off", run)}:
        site.run("approve", run, step, "--reason", "the test says so")
    return False


def _state(site: Site) -> dict[str, Any]:
    """What must be as before after an abort. The release that was built may stay."""
    live = site.live()
    seen = site.snapshot()
    return {
        "live": live and live["release"]["id"],
        "serving": site.serving(),
        "migrations": site.migrations(),
        "instances": sorted(path.name for path in (site.target / "instances").glob("*.json")),
        **{key: seen[key] for key in ("lock", "database", "temporary")},
        "processes": [_number_free(name) for name in seen["processes"]],
    }


def _number_free(name: str) -> str:
    """A process by its service alone: its release may be counted differently now."""
    return name if name.startswith("?") else name.partition("--")[0]


def _differences(found: dict[str, Any], expected: dict[str, Any]) -> str:
    lines = [
        f"{key}: {_minus(found[key], expected[key])} instead of {_minus(expected[key], found[key])}"
        for key in expected
        if found[key] != expected[key]
    ]
    return "; ".join(lines)


def _minus(one: Any, other: Any) -> Any:
    """Only what differs, of lists."""
    if isinstance(one, list) and isinstance(other, list):
        return sorted(set(one) - set(other)) or one
    return one

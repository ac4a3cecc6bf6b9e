"""A run survives its process: what was done is not done again, and what was left goes on."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import durable_child
import pytest
from durable_child import Notes

from gonogo.durable.dbos import sqlite_url

SCHEMA = "gonogo_shop_test_dbos"
START_SECONDS = 30.0


class Run:
    """One run and the processes that work on it, one after the other."""

    def __init__(self, url: str, folder: Path) -> None:
        self.notes = Notes(folder)
        self._command = [sys.executable, durable_child.__file__, url, SCHEMA, str(folder)]
        self.process: subprocess.Popen[str] | None = None

    def start(self, *script: str) -> None:
        """A process that works on the run."""
        ready = self.count("ready")
        self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE, text=True)
        self.wait(lambda: self.count("ready") > ready, START_SECONDS)
        self.say("work", *script)

    def say(self, *words: str) -> None:
        """Give an order."""
        assert self.process and self.process.stdin
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """kill -9, or nothing if it has ended."""
        if self.process:
            self.process.kill()
            self.process.communicate()

    def close(self) -> int:
        """Leave properly; the exit code."""
        assert self.process
        self.say("close")
        self.process.communicate(timeout=20)
        return self.process.returncode

    def count(self, what: str) -> int:
        """How often something happened."""
        return sum(note[2] == what for note in self.notes.all())

    def at(self, what: str) -> float:
        """When something happened last."""
        return max(note[0] for note in self.notes.all() if note[2] == what)

    def wait_for(self, what: str, seconds: float = 20.0) -> None:
        """Wait until it has happened."""
        self.wait(lambda: self.count(what) > 0, seconds)

    def wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until something is true, and fail if it does not become so."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.notes.all()
            time.sleep(0.01)


@pytest.fixture(params=["sqlite", "postgresql"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    if request.param == "sqlite":
        url = sqlite_url(tmp_path / "dbos.db")
    else:
        url = request.getfixturevalue("postgres_database")
    one = Run(url, tmp_path)
    yield one
    one.kill()


def test_from_beginning_to_end(run: Run) -> None:
    run.start("step", "0.3", "step")
    run.wait_for("end 2")
    assert 0.25 < run.at("paused 1") - run.at("pausing 1") < 1.5
    assert run.close() == 0
    assert [run.count(what) for what in ("begin 0", "begin 2", "closed")] == [1, 1, 1]


def test_killed_in_a_step(run: Run) -> None:
    run.start("step", "step", "slow", "step")
    run.wait_for("begin 2")
    run.kill()
    run.notes.slow.touch()
    run.start("step", "step", "slow", "step")
    run.wait_for("end 3")
    assert [run.count(f"begin {number}") for number in range(4)] == [1, 1, 2, 1]


def test_a_refusal_stays_a_refusal_after_a_kill(run: Run) -> None:
    run.start("refuse", "slow")
    run.wait_for("begin 1")
    run.kill()
    run.notes.slow.touch()
    run.start("refuse", "slow")
    run.wait_for("end 1")
    assert run.count("begin 0") == 1
    assert run.count("refused 0: not now, later") == 2


def test_killed_in_a_pause(run: Run) -> None:
    """The pause ends when it would have ended, not later by the time the process was away."""
    run.start("step", "4", "step")
    run.wait_for("pausing 1")
    begun = run.at("pausing 1")
    time.sleep(0.5)
    run.kill()
    time.sleep(1)
    run.start("step", "4", "step")
    run.wait_for("end 2")
    assert run.count("begin 0") == 1
    assert 3.9 < run.at("paused 1") - begun < max(5.5, run.at("ready") - begun + 1.5)


def test_wake_ends_a_pause(run: Run) -> None:
    run.start("step", "600", "step", "600", "step")
    for number in (1, 3):
        run.wait_for(f"pausing {number}")
        time.sleep(0.5)
        woken = time.time()
        run.say("wake")
        run.wait_for(f"begin {number + 1}")
        assert run.at(f"begin {number + 1}") - woken < 1.0


def test_wake_ends_a_pause_that_another_process_began(run: Run) -> None:
    run.start("600", "step")
    run.wait_for("pausing 0")
    run.kill()
    run.start("600", "step")
    run.wait(lambda: run.count("pausing 0") == 2, 20)
    time.sleep(0.5)
    woken = time.time()
    run.say("wake")
    run.wait_for("begin 1")
    assert run.at("begin 1") - woken < 1.0


@pytest.mark.parametrize("where", ["step", "pause"])
def test_closed_and_resumed(run: Run, where: str) -> None:
    script = ["step", "slow" if where == "step" else "600", "step"]
    run.start(*script)
    run.wait_for("begin 1" if where == "step" else "pausing 1")
    assert run.close() == 0
    assert run.count("end 1") == run.count("paused 1") == run.count("begin 2") == 0
    run.notes.slow.touch()
    run.start(*script)
    if where == "pause":
        run.wait(lambda: run.count("pausing 1") == 2, 20)
        run.say("wake")
    run.wait_for("end 2")
    assert run.count("begin 0") == 1
    assert run.close() == 0


def test_a_run_that_is_over_stays_over(run: Run) -> None:
    run.start("step")
    run.wait_for("end 0")
    time.sleep(0.5)
    assert run.close() == 0
    run.start("step")
    time.sleep(1)
    assert run.count("begin 0") == 1
    assert run.close() == 0


def test_killed_again_and_again(run: Run) -> None:
    """Once a step has begun, none before it begins again."""
    script = ["step", "0.05"] * 20
    chance = random.Random(3)
    for _ in range(5):
        run.start(*script)
        time.sleep(chance.uniform(0.1, 0.9))
        run.kill()
    run.start(*script)
    run.wait_for("end 38", 30)
    begun = [int(what.split()[1]) for _, _, what in run.notes.all() if what.startswith("begin")]
    assert begun == sorted(begun)
    assert set(begun) == {*range(0, 40, 2)}

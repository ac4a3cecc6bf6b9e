"""FileLock: one holder at a time, whoever tries and whoever dies."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gonogo.hosts.local import LocalHost
from gonogo.model.errors import PermanentError, Refused
from gonogo.model.procedure import Hold
from gonogo.model.target import Holder
from gonogo.targets.files import FileLock, this_worker, worker_alive


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


CLOCK = SetClock()


def holder(run: str, *, worker: str = "w1", mode: Hold = Hold.HOLD, until: float = 60.0) -> Holder:
    now = CLOCK.now()
    return Holder(
        run=run,
        person=f"person of {run}",
        machine="laptop",
        worker=worker,
        mode=mode,
        since=now,
        beat=now,
        until=now + until,
        epoch=0,
    )


class Stage:
    """A lock whose workers' lives the test decides about."""

    def __init__(self, root: Path) -> None:
        self.lives: dict[str, bool | None] = {}
        self.lock = FileLock(LocalHost(), str(root), CLOCK, self.lives.get)

    def take(self, wanted: Holder, *, preempt: bool = False) -> Holder:
        return asyncio.run(self.lock.take(wanted, preempt=preempt))

    def release(self, run: str) -> None:
        asyncio.run(self.lock.release(run))

    def holder(self) -> Holder | None:
        return asyncio.run(self.lock.holder())


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    CLOCK.at = 1_800_000_000.0
    return Stage(tmp_path)


def test_take_renew_change_release(stage: Stage) -> None:
    assert stage.holder() is None
    first = stage.take(holder("a", mode=Hold.RESERVE))
    assert first.epoch == 1 and stage.holder() == first
    CLOCK.at += 30
    second = stage.take(holder("a", mode=Hold.HOLD))
    assert (second.epoch, second.since, second.beat) == (1, first.since, first.beat + 30)
    assert second.mode is Hold.HOLD and stage.holder() == second
    stage.release("b")
    assert stage.holder() == second
    stage.release("a")
    stage.release("a")
    assert stage.holder() is None
    assert stage.take(holder("b")).epoch == 2
    assert stage.lock.overtaken is None


def test_a_living_holder_is_named(stage: Stage) -> None:
    stage.take(holder("a"))
    stage.lives["w1"] = True
    CLOCK.at += 720
    with pytest.raises(Refused) as refusal:
        stage.take(holder("b", worker="w2"))
    text = refusal.value.message
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(CLOCK.at - 720))
    for part in ("run a", "person of a", "laptop", "is changing", since, "12 minutes ago"):
        assert part in text
    assert "gonogo status" in refusal.value.next_step


def test_a_dead_holder_is_taken_over_and_named(stage: Stage) -> None:
    old = stage.take(holder("a"))
    stage.lives["w1"] = False
    new = stage.take(holder("b", worker="w2"))
    assert (new.epoch, stage.lock.overtaken) == (2, old)
    with pytest.raises(Refused, match="run b"):
        stage.lives["w2"] = True
        stage.take(holder("a"))


def test_on_another_machine_silence_is_the_proof(stage: Stage) -> None:
    stage.take(holder("a"))
    CLOCK.at += 599
    with pytest.raises(Refused) as refusal:
        stage.take(holder("b", worker="w2"))
    assert "gonogo resume a" in refusal.value.next_step
    CLOCK.at += 2
    assert stage.take(holder("b", worker="w2")).epoch == 2


def test_a_heart_beat_keeps_it(stage: Stage) -> None:
    stage.take(holder("a"))
    for _ in range(40):
        CLOCK.at += 30
        stage.take(holder("a"))
    with pytest.raises(Refused):
        stage.take(holder("b", worker="w2"))


@pytest.mark.parametrize("alive", [True, False, None])
def test_a_reservation_lasts_until_its_end_even_of_a_dead_process(
    stage: Stage, alive: bool | None
) -> None:
    stage.take(holder("a", mode=Hold.RESERVE, until=7200))
    stage.lives["w1"] = alive
    CLOCK.at += 7199
    with pytest.raises(Refused, match="has reserved") as refusal:
        stage.take(holder("b", worker="w2"))
    assert "gonogo abort a" in refusal.value.next_step
    CLOCK.at += 1
    assert stage.take(holder("b", worker="w2")).epoch == 2


@pytest.mark.parametrize("mode", [Hold.HOLD, Hold.RESERVE])
def test_an_emergency_takes_it_from_anybody(stage: Stage, mode: Hold) -> None:
    old = stage.take(holder("a", mode=mode))
    stage.lives["w1"] = True
    new = stage.take(holder("emergency", worker="w2"), preempt=True)
    assert (new.epoch, stage.lock.overtaken, stage.holder()) == (2, old, new)
    stage.lives["w2"] = True
    with pytest.raises(Refused, match="run emergency"):
        stage.take(holder("a", mode=mode))
    stage.release("a")
    assert stage.holder() == new


def test_the_same_run_goes_on_in_another_process_with_its_epoch(stage: Stage) -> None:
    first = stage.take(holder("a"))
    stage.lives["w1"] = False
    again = stage.take(holder("a", worker="w2"))
    assert (again.epoch, again.since, again.worker) == (1, first.since, "w2")
    assert stage.lock.overtaken is None


def test_the_same_run_is_not_worked_on_twice(stage: Stage) -> None:
    stage.take(holder("a"))
    for alive in (True, None):
        stage.lives["w1"] = alive
        with pytest.raises(Refused, match="already being worked on"):
            stage.take(holder("a", worker="w2"))
    stage.take(holder("a", mode=Hold.RESERVE))
    assert stage.take(holder("a", worker="w2")).worker == "w2"


def test_a_late_heart_beat_of_one_overtaken_changes_nothing(stage: Stage, tmp_path: Path) -> None:
    stage.take(holder("a"))
    stage.lives["w1"] = False
    new = stage.take(holder("b", worker="w2"))
    late = tmp_path / "lock" / "1.json"
    late.write_bytes(late.read_bytes())
    assert stage.holder() == new


def test_a_late_heart_beat_does_not_take_back_what_was_given_back_or_lost(stage: Stage) -> None:
    mine = stage.take(holder("a"))
    assert stage.take(mine).epoch == mine.epoch
    stage.release("a")
    with pytest.raises(Refused, match="no longer holds this environment; it is free now"):
        stage.take(mine)
    assert stage.holder() is None
    stage.take(holder("b", worker="w2"))
    for preempt in (False, True):
        with pytest.raises(Refused, match="no longer holds this environment: run b"):
            stage.take(mine, preempt=preempt)
    stage.release("b")
    again = stage.take(holder("a"))
    with pytest.raises(Refused):
        stage.take(mine)
    assert stage.holder() == again


def test_an_old_look_cannot_win_a_number_that_was_cleared_away(stage: Stage) -> None:
    for number in range(13):
        stage.take(holder(f"r{number}"))
        stage.release(f"r{number}")
    now = stage.take(holder("last"))

    async def late() -> bool:
        return await stage.lock._begin(3, 3, replace(now, run="late"))

    assert asyncio.run(late()) is False
    assert stage.holder() == now
    assert now.epoch == 14


def test_a_damaged_lock_is_an_error_and_not_a_free_environment(
    stage: Stage, tmp_path: Path
) -> None:
    stage.take(holder("a"))
    (tmp_path / "lock" / "1.json").write_text("{")
    with pytest.raises(PermanentError):
        stage.take(holder("b"))


def test_this_worker_lives_and_others_are_judged() -> None:
    mine = this_worker()
    assert worker_alive(mine) is True
    machine, boot, pid, start = mine.rsplit("/", 3)
    assert worker_alive(f"{machine}/{boot}/{pid}/{int(start) + 1}") is False
    assert worker_alive(f"other/{boot}/{pid}/{start}") is None
    assert worker_alive(f"{machine}/other-boot/{pid}/{start}") is None
    assert worker_alive("nonsense") is None
    child = subprocess.Popen(["true"])
    time.sleep(0.2)
    assert worker_alive(f"{machine}/{boot}/{child.pid}/1") is False
    child.wait()


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    code = "from gonogo.targets._worker import this_worker; print(this_worker(), flush=True)"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment(), text=True
    )
    assert child.stdout is not None
    with child.stdout:
        worker = child.stdout.read().strip()
    time.sleep(0.2)
    assert worker_alive(worker) is False
    child.wait()
    assert worker_alive(worker) is False


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_taking_and_giving_back_in_a_crowd_never_has_two_inside(tmp_path: Path) -> None:
    CLOCK.at = 1_800_000_000.0
    inside: list[str] = []
    most, turns = 0, 0

    async def visitor(name: str) -> None:
        nonlocal most, turns
        lock = FileLock(LocalHost(), str(tmp_path), CLOCK, lambda worker: True)
        while True:
            try:
                await lock.take(holder(name, worker=name))
            except Refused:
                await asyncio.sleep(0.01)
                continue
            inside.append(name)
            most, turns = max(most, len(inside)), turns + 1
            await asyncio.sleep(0.005)
            inside.remove(name)
            await lock.release(name)
            return

    async def scene() -> None:
        await asyncio.gather(*(visitor(f"v{n}") for n in range(6)))

    asyncio.run(scene())
    assert (most, turns) == (1, 6)

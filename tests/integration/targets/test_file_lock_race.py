"""FileLock between many processes: one of them gets it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RACER = """
import asyncio, sys, time
from pathlib import Path
from gonogo.hosts.local import LocalHost
from gonogo.model.errors import Refused
from gonogo.model.procedure import Hold
from gonogo.model.target import Holder
from gonogo.targets.files import FileLock, this_worker, worker_alive

class Now:
    def now(self): return time.time()
    async def sleep(self, seconds): await asyncio.sleep(seconds)

root, run = sys.argv[1], sys.argv[2]
now = time.time()
wanted = Holder(run=run, person="p", machine="m", worker=this_worker(), mode=Hold.HOLD,
                since=now, beat=now, until=now, epoch=0)
lock = FileLock(LocalHost(), root, Now(), worker_alive)
print("ready", flush=True)
while not Path(root, "go").exists():
    time.sleep(0.005)
try:
    taken = asyncio.run(lock.take(wanted))
    print("won", taken.epoch, flush=True)
except Refused:
    print("refused", flush=True)
sys.stdin.read()
"""


def race(root: Path, runs: list[str]) -> list[str]:
    """Many processes at once; all stay alive until all have answered."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(root), run],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
        )
        for run in runs
    ]
    answers = []
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    (root / "go").touch()
    for child in children:
        assert child.stdout is not None
        answers.append(child.stdout.readline().strip())
    for child in children:
        child.communicate("")
    (root / "go").unlink()
    return answers


def test_of_20_processes_one_wins_and_when_it_has_died_one_takes_over(tmp_path: Path) -> None:
    first = race(tmp_path, [f"a{n}" for n in range(20)])
    assert sorted(first) == ["refused"] * 19 + ["won 1"]
    # All of those have ended without giving back: the winner is dead now.
    second = race(tmp_path, [f"b{n}" for n in range(10)])
    assert sorted(second) == ["refused"] * 9 + ["won 2"]


def test_of_many_processes_that_resume_one_run_one_wins(tmp_path: Path) -> None:
    race(tmp_path, ["same"])
    assert sorted(race(tmp_path, ["same"] * 8)) == ["refused"] * 7 + ["won 1"]

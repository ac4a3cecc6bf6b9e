"""Driving a run: own the environment's data, work, keep the lock alive, wake what waits.

At most one process works on an environment's runs from one data directory (a file lock the kernel
frees when the process dies). Processes speak to each other through the journal alone: a sign-off
or an abort is written there, and the worker sees it and wakes the run.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import IO, Any

from gonogo.app.runs import unfinished
from gonogo.core.perform import Bench
from gonogo.core.run import Run
from gonogo.model.errors import GonogoError, Refused
from gonogo.model.event import Event
from gonogo.model.plan import Plan
from gonogo.model.procedure import Hold
from gonogo.model.target import Holder
from gonogo.ports import Durable, Journal, Scene, Worker
from gonogo.targets.files import this_worker, worker_alive
from gonogo.wiring import PackageCatalogue, Site, clock, site_of

log = logging.getLogger("gonogo")

BEAT = 30.0
"""Seconds between two signs of life in the lock on the target."""

OUSTED_WITHIN = 10.0
"""Seconds a process has to end by itself when an emergency takes its place."""

TICK = 0.1
"""Seconds between two looks at the journal."""

_RESERVED = 48 * 3600.0
"""Seconds a reservation is good for without a sign of life."""


def oust(site: Site) -> None:
    """End the process that owns this environment's data directory: an emergency does not wait.

    Asked first, so that it ends the commands it runs; killed if it takes too long.
    """
    try:
        body = json.loads((site.data / "worker.lock").read_text())
    except (FileNotFoundError, ValueError):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + OUSTED_WITHIN
        if worker_alive(body["worker"]):
            try:
                os.kill(body["pid"], number)
            except PermissionError as error:
                raise Refused(
                    f"{owner(site)} belongs to another user, so it cannot be ended",
                    next_step=f"end process {body['pid']} as that user, then type this again",
                ) from error
        while worker_alive(body["worker"]) and time.monotonic() < until:
            time.sleep(TICK)


@contextmanager
def owned(site: Site, what: str) -> Iterator[None]:
    """Own this environment's data directory, or Refused saying which process does."""
    path = site.data / "worker.lock"
    with ExitStack() as stack:
        file = stack.enter_context(open(path, "a+"))
        path.chmod(0o600)
        if not _locked(file):
            raise Refused(
                f"another gonogo works on {site.environment.name}: {owner(site)}",
                next_step="wait for it, follow it with: gonogo show last --follow",
            )
        stack.enter_context(site.alone())
        stack.callback(file.truncate, 0)
        file.truncate(0)
        mine = {"worker": this_worker(), "pid": os.getpid(), "what": what, "since": time.time()}
        file.write(json.dumps(mine))
        file.flush()
        yield


def owner(site: Site) -> str:
    """Who owns the data directory, in words; empty when nobody does. Looking takes no lock."""
    path = site.data / "worker.lock"
    try:
        body = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return ""
    if not worker_alive(body["worker"]):
        return ""
    since = time.strftime("%H:%M:%S", time.localtime(body["since"]))
    return f"{body['what']} (process {body['pid']}, since {since})"


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def interpreter(site: Site) -> Callable[[dict[str, Any], Durable], Any]:
    """The function the durable worker calls: a run from its plan's plain values.

    It never fails: a run that was overtaken ends as refused, and an error in gonogo itself is
    written down and leaves the run where it is, to be resumed.
    """

    async def interpret(data: dict[str, Any], durable: Durable) -> dict[str, Any]:
        run = data["run"]
        try:
            if ended := site.journal.find(run, "ended"):
                return ended.body  # It was overtaken while nobody worked on it.
            plan = Plan.from_json(data)
            here = replace(site_of(plan), project=site.project, hiding=site.hiding)
            if plan.previous:
                here.hide(plan.previous)  # An undo may start that one again.
            return await _interpret(plan, here, durable)
        except Refused as error:
            body = {"outcome": "refused", "headline": error.message, "next": error.next_step}
            return site.journal.append(run, "ended", body).body
        except Exception as error:
            log.exception("run %s", run)
            body = {"found": f"{type(error).__name__}: {error}"}
            crashes = sum(one.kind == "crashed" for one in site.journal.events(run))
            site.journal.append(run, "crashed", body, attempt=crashes)
            await asyncio.Event().wait()
            raise

    return interpret


async def _interpret(plan: Plan, here: Site, durable: Durable) -> dict[str, Any]:
    scene = run_scene(here, plan)
    tenancy = Tenancy(plan, scene, here.journal)
    bench = Bench(
        scene=scene, catalogue=PackageCatalogue(), journal=here.journal, fence=tenancy.fence
    )
    beating = asyncio.create_task(tenancy.beat())
    try:
        await scene.host.end_orphans(plan.run)
        await tenancy.adopt()
        run = Run(plan=plan, bench=bench, durable=durable, hold=tenancy.hold)
        ended = await run.interpret()
        if not plan.only_looks and (anchor := here.journal.head()):
            await scene.target.keep_anchor(anchor)
        return ended
    finally:
        beating.cancel()


def run_scene(site: Site, plan: Plan) -> Scene:
    """The scene of a run: what its steps print goes, redacted, to the run's output file."""
    path = site.output(plan.run)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)

    def say(line: str) -> None:
        with open(path, "a") as file:
            file.write(site.redactor.text(line) + "\n")

    scene = site.scene(
        run=plan.run,
        by=plan.by,
        release=plan.release,
        previous=plan.previous,
        t_zero=plan.t_zero,
    )
    return replace(scene, say=say)


class Tenancy:
    """A run's hold on the target: taken by phase, renewed while the worker lives.

    One write at a time: a sign of life that is under way must not bring back an older mode.
    """

    def __init__(self, plan: Plan, scene: Scene, journal: Journal) -> None:
        self._plan = plan
        self._scene = scene
        self._journal = journal
        self._held: Holder | None = None
        self._writing = asyncio.Lock()

    async def adopt(self) -> None:
        """Take the lock over from this run's dead worker, if the run had it.

        Refused when another run has the environment, or had it since.
        """
        mine = [one.attempt for one in self._journal.events(self._plan.run) if one.kind == "lock"]
        if not mine:
            return
        there = await self._scene.lock.holder()
        if there and there.run == self._plan.run:
            await self._take(there.mode, there.epoch)
            return
        if there:
            raise Refused(f"run {there.run} of {there.person} has taken the environment over")
        if await self._scene.lock.epoch() != mine[-1]:
            raise Refused("another run has had the environment since; nothing more is done")
        await self._take(Hold.HOLD, 0)
        await self._unchanged()

    async def hold(self, mode: Hold) -> None:
        """What a phase needs. The first hold refuses if the live release is not the planned one."""
        async with self._writing:
            await self._hold(mode)

    async def _hold(self, mode: Hold) -> None:
        if mode is Hold.NONE:
            await self._scene.lock.release(self._plan.run)
            self._held = None
            return
        first = self._held is None
        epoch = self._held.epoch if self._held else 0
        await self._take(mode, epoch)
        if first:
            await self._note_overtaken()
            await self._unchanged()

    async def _take(self, mode: Hold, epoch: int) -> None:
        """Take or renew the lock, and write down as which epoch."""
        holder = self._holder(mode, epoch)
        self._held = await self._scene.lock.take(holder, preempt=self._plan.preempt)
        self._journal.append(self._plan.run, "lock", {}, attempt=self._held.epoch)

    async def _note_overtaken(self) -> None:
        """Whose place this run took: a dead worker's, or anybody's in an emergency."""
        if other := self._scene.lock.overtaken:
            await self._scene.host.end_orphans(other.run)
            self._journal.append(self._plan.run, "overtaken", other.to_json())
        if self._plan.preempt:
            self._end_others()

    def _end_others(self) -> None:
        """Write down of every run that was under way here that nobody goes on with it."""
        for run in unfinished(self._journal, clock().now()):
            if run.id != self._plan.run:
                said = f"{self._plan.run} of {self._plan.by} took the environment over"
                next_step = f"gonogo show {self._plan.run}"
                body = {"outcome": "overtaken", "headline": said, "next": next_step}
                self._journal.append(run.id, "ended", body)

    async def fence(self) -> None:
        """Refused when another run has taken the environment over."""
        there = await self._scene.lock.holder()
        if self._held is None or there is None:
            raise Refused("this run does not hold the environment's lock")
        if (there.run, there.epoch) != (self._held.run, self._held.epoch):
            raise Refused(f"run {there.run} of {there.person} has taken the environment over")

    async def beat(self) -> None:
        """Renew the lock for as long as the worker lives."""
        while True:
            await asyncio.sleep(BEAT)
            try:
                async with self._writing:
                    await self._renew()
            except Refused as error:
                log.warning("the lock was lost: %s", error.message)
                return
            except (GonogoError, OSError) as error:
                log.warning("no sign of life this time: %s", error)

    async def _renew(self) -> None:
        if self._held is not None:
            await self._scene.lock.take(self._holder(self._held.mode, self._held.epoch))

    async def _unchanged(self) -> None:
        if self._plan.preempt:
            return  # Whoever is overtaken may have come that far meanwhile.
        live = await self._scene.target.live()
        planned = self._plan.previous
        now, then = live.release.id if live else "", planned.release.id if planned else ""
        if now != then and not (self._plan.release and now == self._plan.release.id):
            await self._scene.lock.release(self._plan.run)
            self._held = None
            raise Refused(
                f"release {now or 'none'} is live now; this was planned when {then or 'none'} was",
                next_step="type the command again",
            )

    def _holder(self, mode: Hold, epoch: int) -> Holder:
        now = clock().now()
        return Holder(
            run=self._plan.run,
            person=self._plan.by,
            machine=self._plan.machine,
            worker=this_worker(),
            mode=mode,
            since=self._held.since if self._held else now,
            beat=now,
            until=now + _RESERVED,
            epoch=epoch,
        )


class Keeper:
    """Looks after runs in the worker's process: call tick() often."""

    def __init__(self, site: Site, worker: Worker) -> None:
        self._journal = site.journal
        self._worker = worker
        self._seen: dict[str, int] = {}
        self._time = (clock().now(), time.monotonic())

    def tick(self, run: str) -> list[Event]:
        """What is new in a run. A sign-off, an abort or a clock that jumped wakes it."""
        events = list(self._journal.events(run, after=self._seen.get(run, 0)))
        if events:
            self._seen[run] = events[-1].sequence
        now, ticks = clock().now(), time.monotonic()
        jumped = abs((now - self._time[0]) - (ticks - self._time[1])) > 1.0
        self._time = (now, ticks)
        if jumped or any(event.kind in ("sign-off", "abort") for event in events):
            self._worker.wake(run)
        return events

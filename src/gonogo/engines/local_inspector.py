"""Looks at the processes of the local engine (ports.Inspector), and changes nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from gonogo.engines import _files, _processes
from gonogo.engines._supervisord import State as Program
from gonogo.engines._supervisord import Supervisor
from gonogo.model.diagnosis import Diagnosis, Part, State
from gonogo.model.duration import spoken
from gonogo.model.log import Log
from gonogo.ports import Clock, Engine, Inspector

_MEASURED = 0.5
"""Seconds over which the use of processors is measured."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class LocalInspector:
    """programs are those that serve every release, such as the proxy."""

    def __init__(self, root: Path, engine: Engine, programs: Iterable[str], clock: Clock) -> None:
        self._root = root.absolute()
        self._engine = engine
        self._programs = list(programs)
        self._clock = clock
        self._supervisor = Supervisor(root=root, clock=clock)

    async def ground(self) -> Sequence[Diagnosis]:
        """Whether supervisord runs, if it ever did."""
        if await self._supervisor.answers():
            return [Diagnosis(about="supervisord", state=State.OK, seen="it answers")]
        if not self._supervisor.folder.is_dir():
            seen = "it was never started: nothing was deployed yet"
            return [Diagnosis(about="supervisord", state=State.OK, seen=seen, next="gonogo deploy")]
        seen = f"it does not answer on {self._supervisor.socket}"
        return [Diagnosis(about="supervisord", state=State.PROBLEM, seen=seen, next="gonogo start")]

    async def parts(self) -> Sequence[Part]:
        """Every instance and every program beside them."""
        if not await self._supervisor.answers():
            return ()
        found = [
            Part(
                name=one.name,
                service=one.service,
                state=one.state,
                detail=one.detail,
                instance=one.name,
                restarts=one.restarts,
            )
            for one in await self._engine.observe()
        ]
        states = await self._supervisor.states()
        found += [self._program(name, states.get(name)) for name in self._programs]
        return await self._measured(found)

    async def log(self, part: Part, lines: int) -> Log:
        """The last lines of a program."""
        path = self._supervisor.log(part.name)
        return Log.of(await asyncio.to_thread(_files.last_lines, path, lines))

    async def address(self, host: str) -> str:
        """Empty: processes are in this machine's own network."""
        return ""

    def _program(self, name: str, state: Program | None) -> Part:
        part = Part(
            name=name, service=name, state="missing", look=f"less {self._supervisor.log(name)}"
        )
        if state is None:
            return replace(part, detail="supervisord does not know it")
        if state.state != "RUNNING":
            return replace(part, state="failed", detail=f"{state.state.lower()} {state.problem}")
        up = spoken(max(0.0, state.now - state.started))
        return replace(part, state="running", detail=f"pid {state.pid}, up {up}")

    async def _measured(self, parts: Sequence[Part]) -> Sequence[Part]:
        """The parts with what their processes use."""
        pids = {one.name: _processes.marked(self._root, one.name) for one in parts}
        before = {name: sum(map(_ticks, own)) for name, own in pids.items()}
        await self._clock.sleep(_MEASURED)
        return [
            replace(
                one,
                cpu=100 * (sum(map(_ticks, own)) - before[one.name]) / _TICKS / _MEASURED,
                memory=sum(map(_resident, own)),
            )
            if (own := pids[one.name])
            else one
            for one in parts
        ]


def _ticks(pid: int) -> int:
    """The time a process has used, in the kernel's ticks; 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident(pid: int) -> int:
    """Bytes of memory that a process has; what processes share is counted in each."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


FITS: type[Inspector] = LocalInspector

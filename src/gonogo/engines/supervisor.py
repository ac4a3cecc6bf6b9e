"""The local engine's foundation: supervisord, and the programs that serve every release.

A proxy is such a program. It gives its command and its files as a value, so that this module knows
no proxy and the proxy knows no Supervisor.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gonogo.engines import _files, _processes
from gonogo.engines._supervisord import Supervisor, include_text
from gonogo.model.errors import PermanentError
from gonogo.model.target import Objection
from gonogo.ports import Clock

_GRACE = 15.0
_STARTS_WITHIN = 20.0


class Program(Protocol):
    """A program outside any release. files are written before it starts; it has no secrets.

    When its command or its files change it is restarted.
    """

    @property
    def argv(self) -> Sequence[str]: ...

    @property
    def files(self) -> Mapping[Path, bytes]: ...


class SupervisorFoundation:
    """supervisord and the programs beside it (ports.Foundation).

    programs has for each name what gives its command and files; it is asked at every up().
    """

    def __init__(
        self,
        *,
        root: Path,
        clock: Clock,
        programs: Mapping[str, Callable[[], Program]],
    ) -> None:
        self._root = root.absolute()
        self._clock = clock
        self._programs = programs
        self._supervisor = Supervisor(root=root, clock=clock)

    async def up(self) -> None:
        """Start what does not run; end what a killed supervisord left; restart what changed."""
        _files.private_folder(self._root)
        _files.private_folder(self._supervisor.folder)
        async with _files.held(self._supervisor.folder / "lock", self._clock):
            if not await self._supervisor.answers():
                await self._end_orphans()
                await self._supervisor.start()
            for name, make in self._programs.items():
                await self._ensure(name, await asyncio.to_thread(make))

    async def down(self, *, everything: bool = False) -> None:
        """Stop all there is. Programs that still have an include file come back with up()."""
        if await self._supervisor.answers():
            await self._supervisor.shutdown()
        await self._end_orphans()

    async def running(self) -> bool:
        """Whether supervisord and every program run, each as it would be started now."""
        if not await self._supervisor.answers():
            return False
        states = await self._supervisor.states()
        for name, make in self._programs.items():
            state = states.get(name)
            if not (state and state.pid and await self._is_current(name, make)):
                return False
        return True

    async def objections(self) -> Sequence[Objection]:
        """None: what is configured for processes can be rolled."""
        return ()

    async def _is_current(self, name: str, make: Callable[[], Program]) -> bool:
        applied = self._applied(name)
        if not applied.exists():
            return False
        return applied.read_text() == _fingerprint(await asyncio.to_thread(make))

    def _applied(self, name: str) -> Path:
        """What a program was last started with."""
        return self._supervisor.folder / f"{name}.applied"

    async def _ensure(self, name: str, program: Program) -> None:
        wanted = _fingerprint(program)
        applied = self._applied(name)
        state = (await self._supervisor.states()).get(name)
        same = applied.exists() and applied.read_text() == wanted
        if not (same and state and state.pid):
            for path, content in program.files.items():
                _files.private_folder(path.parent)
                _files.write(path, content)
            include = include_text(
                name=name,
                settled=1,
                argv=list(program.argv),
                mark=_processes.mark(self._root, name),
                log=self._supervisor.log(name),
                grace=_GRACE,
            )
            await self._supervisor.install(name, include)
            # Only now: an interrupted restart must be done again.
            _files.write(applied, wanted.encode())
        await self._until_running(name)

    async def _until_running(self, name: str) -> None:
        until = self._clock.now() + _STARTS_WITHIN
        while True:
            state = (await self._supervisor.states()).get(name)
            if state and state.state == "RUNNING":
                return
            if state is None or state.state in ("BACKOFF", "FATAL") or self._clock.now() > until:
                last = await asyncio.to_thread(_files.last_lines, self._supervisor.log(name), 5)
                raise PermanentError(
                    f"{name} does not start: {last}",
                    next_step=f"look at {self._supervisor.log(name)}",
                )
            await self._clock.sleep(0.1)

    async def _end_orphans(self) -> None:
        """End what runs without its supervisord, each with the grace it was started with."""
        await _processes.end(self._root, "", self._longest_grace(), self._clock)

    def _longest_grace(self) -> float:
        """The longest stop_grace among the instances."""
        labels = (self._root / "instances").glob("*.json")
        return max((json.loads(path.read_text())["grace"] for path in labels), default=_GRACE)


def _fingerprint(program: Program) -> str:
    whole = hashlib.sha256("\0".join(program.argv).encode())
    for path, content in sorted(program.files.items()):
        whole.update(b"\0" + str(path).encode() + b"\0" + content)
    return whole.hexdigest()

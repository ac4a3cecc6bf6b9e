"""Finds and ends processes by a mark in their environment.

When Supervisor is killed its children go on without it, and nobody knows their process ids any
more. Every process that the local engine starts carries a mark, which its own children inherit, so
they can be found again. Where there is no /proc nothing is found.
"""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

from gonogo.model.errors import TemporaryError
from gonogo.ports import Clock

MARK = "GONOGO_INSTANCE"
_PROC = Path("/proc")
_KILL_TAKES = 10.0


def root_key(root: Path) -> str:
    """A short name for a root folder, the same in every session."""
    return hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]


def mark(root: Path, name: str) -> str:
    """The value of the mark for one program."""
    return f"{root_key(root)}/{name}"


def marked(root: Path, name: str = "") -> list[int]:
    """Ids of the living processes of one program, or of all programs under a root."""
    prefix = f"{MARK}={root_key(root)}/".encode()
    wanted = prefix + name.encode()
    found = []
    for entry in _PROC.glob("[0-9]*/environ"):
        try:
            variables = entry.read_bytes().split(b"\0")
        except OSError:
            continue  # ended meanwhile, or of another user
        if any(one == wanted if name else one.startswith(prefix) for one in variables):
            found.append(int(entry.parent.name))
    return [pid for pid in found if pid != os.getpid()]


async def end(root: Path, name: str, grace: float, clock: Clock, *, ask: bool = True) -> None:
    """End a program's processes: SIGTERM unless not asked for, the grace, then SIGKILL."""
    if ask:
        _signal(marked(root, name), signal.SIGTERM)
    if await _gone(root, name, grace, clock):
        return
    _signal(marked(root, name), signal.SIGKILL)
    if not await _gone(root, name, _KILL_TAKES, clock):
        raise TemporaryError(f"processes of {name or 'this environment'} do not end")


async def _gone(root: Path, name: str, limit: float, clock: Clock) -> bool:
    until = clock.now() + limit
    while marked(root, name):
        if clock.now() >= until:
            return False
        await clock.sleep(0.1)
    return True


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue

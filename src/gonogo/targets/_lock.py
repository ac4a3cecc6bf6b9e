"""Who may change the environment, as numbered files that are never taken away from under anybody.

`lock/<number>.json` is one tenure; the greatest number is the one in force. To get the lock is to
CREATE the next number, and of many who try only one can create a file. So there is no moment
between the end of one holder and the start of the next in which a third could slip in, as there is
when a stale lock file is removed and made anew. A holder writes to its own file only (its heart
beat); one that was overtaken in the meantime changes nothing by doing so, and sees at its next
look that there is a greater number. Giving back is also a new number, one without a holder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from gonogo.model.errors import PermanentError, Refused, TemporaryError
from gonogo.model.procedure import Hold
from gonogo.model.target import Holder
from gonogo.ports import Clock, Host
from gonogo.targets._state import list_names, read_json, to_bytes

SILENCE = 600.0
"""A holder on another machine that has not beaten its heart for so long counts as dead."""

_HISTORY = 10
_ATTEMPTS = 50


@dataclass(frozen=True, kw_only=True)
class _Tenure:
    """The tenure in force. holder None: the environment is free. epoch: of the last holder."""

    number: int
    epoch: int
    holder: Holder | None


class FileLock:
    """The lock under root on a host.

    alive tells whether a worker's process lives: True, False, or None when that cannot be proved
    from here. overtaken is the other run's holder that the last take() took the place of, if any.
    """

    def __init__(
        self, host: Host, root: str, clock: Clock, alive: Callable[[str], bool | None]
    ) -> None:
        self._host = host
        self._folder = f"{root}/lock"
        self._clock = clock
        self._alive = alive
        self.overtaken: Holder | None = None

    async def holder(self) -> Holder | None:
        """The holder now, dead or alive."""
        return (await self._look()).holder

    async def epoch(self) -> int:
        """The epoch of the last holder, also after it gave the lock back."""
        return (await self._look()).epoch

    async def take(self, holder: Holder, *, preempt: bool = False) -> Holder:
        """Take it, renew it or change its mode. Refused, naming the holder, if another has it.

        A run keeps its epoch when it renews, changes its mode or goes on in another process. One
        that names an epoch renews that tenure or is refused: a heart beat that comes late never
        takes back what the run gave back or lost.
        """
        self.overtaken = None
        for _ in range(_ATTEMPTS):
            tenure = await self._look()
            current = tenure.holder
            if holder.epoch and not _same_tenure(current, holder):
                raise Refused(_lost(holder, current, self._clock.now()), next_step="gonogo status")
            if current and current.run == holder.run:
                taken = replace(holder, since=current.since, epoch=current.epoch)
            else:
                taken = replace(holder, epoch=tenure.epoch + 1)
            taken = replace(taken, beat=self._clock.now())
            if current and current.run == holder.run and current.worker == holder.worker:
                await self._host.write(self._path(tenure.number), _record(taken.epoch, taken))
                return taken
            if current and not preempt:
                self._refuse_unless_free(current, holder)
            if await self._begin(tenure.number + 1, taken.epoch, taken):
                if current and current.run != holder.run:
                    self.overtaken = current
                return taken
        raise TemporaryError("too many processes want the environment at the same time")

    async def release(self, run: str) -> None:
        """Give it back; nothing happens when another run has it."""
        for _ in range(_ATTEMPTS):
            tenure = await self._look()
            if tenure.holder is None or tenure.holder.run != run:
                return
            if await self._begin(tenure.number + 1, tenure.epoch, None):
                return
        raise TemporaryError("too many processes want the environment at the same time")

    async def _begin(self, number: int, epoch: int, holder: Holder | None) -> bool:
        """Begin a tenure; False when somebody else was faster."""
        path = self._path(number)
        if not await self._host.write(path, _record(epoch, holder), exclusive=True):
            return False
        numbers = await self._numbers()
        if numbers and max(numbers) > number:
            # Our look was so old that this number had been cleared away long since.
            await self._host.remove(path)
            return False
        for old in numbers:
            if old < number - _HISTORY:
                await self._host.remove(self._path(old))
        return True

    async def _look(self) -> _Tenure:
        for _ in range(_ATTEMPTS):
            number = max(await self._numbers(), default=0)
            if number == 0:
                return _Tenure(number=0, epoch=0, holder=None)
            data = await read_json(self._host, self._path(number))
            if data is None:
                continue
            try:
                holder = Holder.from_json(data["holder"]) if data["holder"] else None
                return _Tenure(number=number, epoch=int(data["epoch"]), holder=holder)
            except (KeyError, TypeError, ValueError):
                raise PermanentError(f"{self._path(number)} is not a lock file") from None
        raise TemporaryError(f"the lock in {self._folder} changes too fast to be read")

    async def _numbers(self) -> list[int]:
        names = await list_names(self._host, self._folder)
        stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        return [int(stem) for stem in stems if stem.isdigit()]

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number}.json"

    def _refuse_unless_free(self, current: Holder, wanted: Holder) -> None:
        """Refused unless current may be followed by wanted, who is another run or process."""
        now = self._clock.now()
        alive = self._alive(current.worker)
        silent = now - current.beat > SILENCE
        if current.run == wanted.run:
            if alive is True or (alive is None and current.mode is Hold.HOLD and not silent):
                raise Refused(_already_worked_on(current, now), next_step="gonogo status")
            return
        if current.mode is Hold.RESERVE:
            if now < current.until:
                raise Refused(_held_by(current, now), next_step=_wait_for_reservation(current))
            return
        if alive is False or (alive is None and silent):
            return
        raise Refused(_held_by(current, now), next_step=_wait_for_holder(current, alive))


def _record(epoch: int, holder: Holder | None) -> bytes:
    return to_bytes({"epoch": epoch, "holder": holder.to_json() if holder else None})


def _same_tenure(current: Holder | None, wanted: Holder) -> bool:
    return current is not None and (current.run, current.epoch) == (wanted.run, wanted.epoch)


def _lost(wanted: Holder, current: Holder | None, now: float) -> str:
    after = f": {_held_by(current, now)}" if current else "; it is free now"
    return f"run {wanted.run} no longer holds this environment{after}"


def _already_worked_on(current: Holder, now: float) -> str:
    return (
        f"run {current.run} is already being worked on, by {current.person} on {current.machine}, "
        f"last seen {_ago(now - current.beat)}"
    )


def _held_by(current: Holder, now: float) -> str:
    does = "is changing" if current.mode is Hold.HOLD else "has reserved"
    return (
        f"run {current.run} of {current.person} on {current.machine} {does} this environment "
        f"since {_local(current.since)} ({_ago(now - current.since)})"
    )


def _wait_for_reservation(current: Holder) -> str:
    return (
        f"wait for it (the reservation ends at {_local(current.until)} at the latest), "
        f"ask {current.person}, or: gonogo abort {current.run}"
    )


def _wait_for_holder(current: Holder, alive: bool | None) -> str:
    if alive:
        return "wait until it has ended, or watch it: gonogo status"
    return (
        f"wait until it has ended; whether it still lives cannot be seen from here, and it counts "
        f"as dead at {_local(current.beat + SILENCE)} if it stays silent. "
        f"To go on with it on {current.machine}: gonogo resume {current.run}"
    )


def _local(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _ago(length: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if length >= size:
            count = int(length // size)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return f"{max(0, int(length))} seconds ago"

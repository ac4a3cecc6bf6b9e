"""Clocks: the system's, and one that a test moves by writing a file."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path


class SystemClock:
    """ports.Clock on the machine's time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class FileClock:
    """The machine's time plus the seconds written in a file, read anew at every look.

    Sleeping polls, so that a test that moves the clock by a day does not wait a day.
    """

    _POLL = 0.05

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> float:
        """Seconds since the epoch, shifted."""
        try:
            shift = float(self._path.read_text() or 0)
        except (OSError, ValueError):
            shift = 0.0
        return time.time() + shift

    async def sleep(self, seconds: float) -> None:
        """Wait until this clock has moved that far."""
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            await asyncio.sleep(min(left, self._POLL))

"""Running a procedure that only looks: nothing to resume, so nothing durable, and no DBOS.

A check may run at any time, also while a release is under way in another process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from gonogo.model.plan import Plan
from gonogo.ports import Act, Clock, Durable

Interpret = Callable[[dict[str, Any], Durable], Awaitable[dict[str, Any]]]


class InlineDurable:
    """ports.Durable that remembers nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def step(self, name: str, act: Act) -> dict[str, Any]:
        """Run it."""
        return await act()

    async def pause(self, seconds: float) -> None:
        """Look again soon."""
        await self._clock.sleep(min(seconds, 0.5))


class InlineWorker:
    """ports.Worker in a thread of this process."""

    def __init__(self, interpret: Interpret, clock: Clock) -> None:
        self._interpret = interpret
        self._clock = clock

    def work(self, plan: Plan) -> None:
        """Start; it ends with the process at the latest."""

        async def run() -> None:
            await self._interpret(plan.to_json(), InlineDurable(self._clock))

        threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()

    def wake(self, run: str) -> None:
        """It looks by itself."""

    def close(self) -> None:
        """Nothing to leave in order."""

"""What the request code of the backend works with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from portal.database import Database
from portal.jobs import Queue
from portal.serving import Readiness
from portal.sessions import Sessions
from portal.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True)
class Context:
    """The parts of a running backend."""

    settings: Settings
    database: Database
    queue: Queue
    sessions: Sessions
    readiness: Readiness
    threads: ThreadPoolExecutor

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """Run work that waits for the database away from the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

"""Carries out queued jobs: ``python -m portal.worker``.

On SIGTERM the worker finishes the job it has and then ends.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from portal import orders, sessions, settings
from portal.database import Database
from portal.jobs import Job, Queue, open_queue

IDLE_SECONDS = 0.2
AFTER_ERROR_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 5.0

Handler = Callable[[Database, dict[str, Any]], None]

logger = logging.getLogger("portal.worker")


def _activate_order(database: Database, payload: dict[str, Any]) -> None:
    orders.activate(database, str(payload["order"]))


def _pause(database: Database, payload: dict[str, Any]) -> None:
    """Take a while, to show that a stopping worker finishes its job."""
    time.sleep(min(float(payload["seconds"]), LONGEST_PAUSE_SECONDS))


HANDLERS: dict[str, Handler] = {"activate order": _activate_order, "pause": _pause}


class Worker:
    """Takes one job after another until it is asked to stop."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue
        self._stopping = threading.Event()
        self._next_housekeeping = 0.0

    def stop(self, signal_number: int = 0, frame: FrameType | None = None) -> None:
        """Ask the worker to end after its present job."""
        self._stopping.set()

    def run(self) -> None:
        """Work until asked to stop; a broken database or queue is tried again."""
        while not self._stopping.is_set():
            try:
                self._keep_house()
                worked = self._work_once()
            except Exception as error:
                logger.error("cannot reach the queue: %s", error)
                self._stopping.wait(AFTER_ERROR_SECONDS)
                continue
            if not worked:
                self._stopping.wait(IDLE_SECONDS)

    def _work_once(self) -> bool:
        job = self._queue.take()
        if job is None:
            return False
        try:
            self._handle(job)
        except Exception as error:
            logger.error("job %s (%s) failed: %r", job.id, job.kind, error)
            self._queue.fail(job, repr(error))
        else:
            self._queue.finish(job)
        return True

    def _handle(self, job: Job) -> None:
        handler = HANDLERS.get(job.kind)
        if handler is None:
            raise LookupError(f"no handler for {job.kind!r}")
        handler(self._database, job.payload)

    def _keep_house(self) -> None:
        if time.monotonic() < self._next_housekeeping:
            return
        self._queue.recover()
        sessions.delete_expired(self._database)
        self._next_housekeeping = time.monotonic() + HOUSEKEEPING_SECONDS


def main() -> int:
    """Run the worker and return its exit code."""
    config = settings.load_or_exit("worker")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    database = Database(config.database_url)
    worker = Worker(database, open_queue(database, config.redis_url))
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    worker.run()
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

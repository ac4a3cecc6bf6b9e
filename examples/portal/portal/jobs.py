"""The queue between the backend and the worker.

Jobs wait in the database, or in Redis when REDIS_URL is set. Either way a job is
delivered at least once, so that what a job does must be safe to repeat.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from portal.database import Database, now_ms

MOST_ATTEMPTS = 3
ABANDONED_MS = 60_000

WAITING_KEY = "portal:jobs:waiting"
RUNNING_KEY = "portal:jobs:running"
TAKEN_AT_KEY = "portal:jobs:taken_at"
FAILED_KEY = "portal:jobs:failed"


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Job:
    """One piece of work."""

    kind: str
    payload: dict[str, Any]
    id: str = field(default_factory=_new_id)
    attempts: int = 0
    created_at: int = field(default_factory=now_ms)
    taken: str = ""
    """The text under which Redis holds the job while it runs."""


@dataclass(frozen=True)
class QueueState:
    """How the queue is doing."""

    depth: int
    failed: int
    oldest_age_seconds: float


class Queue(Protocol):
    """What both kinds of queue can do."""

    name: str
    in_database: bool

    def put(self, job: Job) -> None:
        """Add a job."""

    def take(self) -> Job | None:
        """Take the oldest job, or None when there is none."""

    def finish(self, job: Job) -> None:
        """Forget a job that is done."""

    def fail(self, job: Job, error: str) -> None:
        """Put a job back, or set it aside after too many attempts."""

    def recover(self) -> int:
        """Put back the jobs of a worker that died; return how many."""

    def state(self) -> QueueState:
        """Return how many jobs wait and failed, and how long the oldest has waited."""


def open_queue(database: Database, redis_url: str) -> Queue:
    """Return the queue that the settings ask for."""
    return RedisQueue(redis_url) if redis_url else DatabaseQueue(database)


class DatabaseQueue:
    """Keeps jobs in the table ``jobs``."""

    name = "database"
    in_database = True

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, job: Job) -> None:
        """Add a job, within the transaction of the caller if there is one."""
        self._database.run(
            "INSERT INTO jobs (id, kind, payload, status, attempts, created_at, updated_at)"
            " VALUES (?, ?, ?, 'waiting', ?, ?, ?)",
            (job.id, job.kind, json.dumps(job.payload), job.attempts, job.created_at, now_ms()),
        )

    def take(self) -> Job | None:
        """Take the oldest job; of several workers only one gets it."""
        row = self._database.one(
            "SELECT id, kind, payload, attempts, created_at FROM jobs"
            " WHERE status = 'waiting' ORDER BY created_at LIMIT 1"
        )
        if row is None:
            return None
        taken = self._database.run(
            "UPDATE jobs SET status = 'running', attempts = attempts + 1, updated_at = ?"
            " WHERE id = ? AND status = 'waiting'",
            (now_ms(), row["id"]),
        )
        if not taken:
            return self.take()
        return Job(
            kind=row["kind"],
            payload=json.loads(row["payload"]),
            id=row["id"],
            attempts=row["attempts"] + 1,
            created_at=row["created_at"],
        )

    def finish(self, job: Job) -> None:
        """Forget a job that is done."""
        self._database.run("DELETE FROM jobs WHERE id = ?", (job.id,))

    def fail(self, job: Job, error: str) -> None:
        """Put a job back, or set it aside after too many attempts."""
        status = "failed" if job.attempts >= MOST_ATTEMPTS else "waiting"
        self._database.run(
            "UPDATE jobs SET status = ?, error = ?, updated_at = ? WHERE id = ?",
            (status, error, now_ms(), job.id),
        )

    def recover(self) -> int:
        """Put back the jobs that a worker took long ago and never finished."""
        return self._database.run(
            "UPDATE jobs SET status = 'waiting' WHERE status = 'running' AND updated_at < ?",
            (now_ms() - ABANDONED_MS,),
        )

    def state(self) -> QueueState:
        """Return how many jobs wait and failed, and how long the oldest has waited."""
        rows = self._database.all(
            "SELECT status, COUNT(*) AS number, MIN(created_at) AS oldest"
            " FROM jobs WHERE status IN ('waiting', 'failed') GROUP BY status"
        )
        found = {row["status"]: row for row in rows}
        waiting = found.get("waiting")
        failed = found.get("failed")
        return QueueState(
            depth=waiting["number"] if waiting else 0,
            failed=failed["number"] if failed else 0,
            oldest_age_seconds=_age(waiting["oldest"]) if waiting else 0.0,
        )


class RedisQueue:
    """Keeps jobs in Redis lists; the oldest job is at the right end."""

    name = "redis"
    in_database = False

    def __init__(self, url: str) -> None:
        import redis

        self._redis: Any = redis.Redis.from_url(
            url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5
        )

    def put(self, job: Job) -> None:
        """Add a job."""
        self._redis.lpush(WAITING_KEY, _text(job))

    def take(self) -> Job | None:
        """Take the oldest job; of several workers only one gets it."""
        text = self._redis.lmove(WAITING_KEY, RUNNING_KEY, "RIGHT", "LEFT")
        if text is None:
            return None
        job = replace(_job(text), taken=text)
        self._redis.hset(TAKEN_AT_KEY, job.id, now_ms())
        return replace(job, attempts=job.attempts + 1)

    def finish(self, job: Job) -> None:
        """Forget a job that is done."""
        self._leave_running(job).execute()

    def fail(self, job: Job, error: str) -> None:
        """Put a job back, or set it aside after too many attempts."""
        pipeline = self._leave_running(job)
        if job.attempts >= MOST_ATTEMPTS:
            pipeline.lpush(FAILED_KEY, json.dumps({"job": _text(job), "error": error}))
        else:
            pipeline.lpush(WAITING_KEY, _text(job))
        pipeline.execute()

    def recover(self) -> int:
        """Put back the jobs that a worker took long ago and never finished."""
        recovered = 0
        for text in self._redis.lrange(RUNNING_KEY, 0, -1):
            job = _job(text)
            taken_at = int(self._redis.hget(TAKEN_AT_KEY, job.id) or job.created_at)
            if taken_at < now_ms() - ABANDONED_MS and self._redis.lrem(RUNNING_KEY, 1, text):
                self._redis.rpush(WAITING_KEY, text)
                recovered += 1
        return recovered

    def _leave_running(self, job: Job) -> Any:
        """Return a transaction that takes the job off the list of running jobs."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.lrem(RUNNING_KEY, 1, job.taken)
        pipeline.hdel(TAKEN_AT_KEY, job.id)
        return pipeline

    def state(self) -> QueueState:
        """Return how many jobs wait and failed, and how long the oldest has waited."""
        oldest = self._redis.lindex(WAITING_KEY, -1)
        return QueueState(
            depth=self._redis.llen(WAITING_KEY),
            failed=self._redis.llen(FAILED_KEY),
            oldest_age_seconds=_age(_job(oldest).created_at) if oldest else 0.0,
        )


def _text(job: Job) -> str:
    return json.dumps(asdict(replace(job, taken="")))


def _job(text: str) -> Job:
    return Job(**json.loads(text))


def _age(created_at: int) -> float:
    return max(0.0, round((now_ms() - created_at) / 1000, 3))

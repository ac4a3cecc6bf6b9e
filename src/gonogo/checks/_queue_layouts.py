"""How BullMQ, RQ and Celery keep their queues in Redis.

None of it is a published interface, so only what has been stable over years is read: lists and
sorted sets of ids, and the times in a job's hash. Read and tested with what BullMQ 6.7, RQ 3.0 and
Celery 5.7 wrote. A job that was put off counts only once it is due: then nobody fetched it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis.asyncio import Redis

LOOKED_AT = 1000
"""Jobs of a list whose times are read: those that waited longest, unless some were put in front."""


@dataclass(frozen=True, kw_only=True)
class State:
    """A queue: how many jobs wait and are due, how many failed, and since when the oldest waits.

    oldest is in seconds since the epoch, None when no job waits. Where a layout does not tell,
    failed and oldest are None.
    """

    depth: int
    failed: int | None = None
    oldest: float | None = None


Layout = Callable[["Redis", str, str, float], Awaitable[State | None]]
"""From a client, prefix, name and the time now: the queue, or None when there is no trace of it."""


async def bullmq(client: Redis, prefix: str, name: str, now: float) -> State | None:
    """Ids in lists and sorted sets, scores of `delayed` being milliseconds * 4096; a hash each."""
    key = f"{prefix or 'bull'}:{name}:"
    due = (int(now * 1000) + 1) * 0x1000 - 1
    async with client.pipeline(transaction=False) as ask:
        ask.exists(f"{key}meta", f"{key}id")
        ask.zcard(f"{key}failed")
        ask.llen(f"{key}wait")
        ask.llen(f"{key}paused")
        ask.zcard(f"{key}prioritized")
        ask.zcount(f"{key}delayed", 0, due)
        ask.lrange(f"{key}wait", -LOOKED_AT, -1)
        ask.lrange(f"{key}paused", -LOOKED_AT, -1)
        ask.zrange(f"{key}prioritized", -LOOKED_AT, -1)
        ask.zrange(f"{key}delayed", 0, due, byscore=True, offset=0, num=1, withscores=True)
        there, failed, *counts, waiting, paused, prioritized, first = await ask.execute()
    if not there:
        return None
    ids = [*waiting, *paused, *prioritized]
    jobs = await _fields(client, key, ids, ("timestamp", "opts", "processedOn"))
    since = [_since(*job) for job in jobs if job[0]]
    since += [score / 0x1000 / 1000 for _, score in first]
    return State(depth=sum(counts), failed=failed, oldest=min(since, default=None))


def _since(timestamp: str, opts: str | None, processed: str | None) -> float:
    """When a job began to wait: added, due after its delay, or given back after an attempt."""
    delay = json.loads(opts or "{}").get("delay") or 0
    return max(float(timestamp) + delay, float(processed or 0)) / 1000


async def rq(client: Redis, prefix: str, name: str, now: float) -> State | None:
    """A list of ids, and registries whose scores are times: of being due, of being forgotten."""
    key = f"rq:queue:{name}"
    async with client.pipeline(transaction=False) as ask:
        ask.sismember("rq:queues", key)
        ask.exists(f"rq:failed:{name}", f"rq:scheduled:{name}")
        ask.zcount(f"rq:failed:{name}", now, "+inf")
        ask.llen(key)
        ask.zcount(f"rq:scheduled:{name}", 0, now)
        ask.lrange(key, 0, LOOKED_AT - 1)
        ask.zrange(f"rq:scheduled:{name}", 0, now, byscore=True, offset=0, num=1, withscores=True)
        known, there, failed, *counts, ids, first = await ask.execute()
    if not known and not there:
        return None
    jobs = await _fields(client, "rq:job:", ids, ("enqueued_at",))
    since = [datetime.fromisoformat(job[0]).timestamp() for job in jobs if job[0]]
    since += [score for _, score in first]
    return State(depth=sum(counts), failed=failed, oldest=min(since, default=None))


async def celery(client: Redis, prefix: str, name: str, now: float) -> State | None:
    """A list of messages for each priority. No message has a time, and no list has the failed."""
    lists = [name, *(f"{name}{sep}{step}" for sep in ("\x06\x16", ":") for step in range(1, 10))]
    async with client.pipeline(transaction=False) as ask:
        ask.exists(f"{prefix}_kombu.binding.{name}")
        for key in lists:
            ask.llen(f"{prefix}{key}")
        there, *lengths = await ask.execute()
    return State(depth=sum(lengths)) if there or any(lengths) else None


async def _fields(
    client: Redis, key: str, ids: Sequence[str], names: Sequence[str]
) -> list[list[Any]]:
    """Some fields of the hash of each job; all are None where it is gone meanwhile."""
    async with client.pipeline(transaction=False) as ask:
        for one in ids:
            ask.hmget(f"{key}{one}", names)
        found: list[list[Any]] = await ask.execute()
    return found


LAYOUTS: Mapping[str, Layout] = {"bullmq": bullmq, "rq": rq, "celery": celery}

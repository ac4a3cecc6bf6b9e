"""The check `queue` against a real Redis that holds what BullMQ, RQ and Celery wrote.

The files in recorded/ hold all keys (without streams and workers) after their own producers and
workers had done this to a queue `mail`; RQ and BullMQ had a worker that let two of three jobs fail.

- BullMQ: `add` twice, 1.1 s apart, once with `lifo`, with `priority` 5 and 1, with a `delay` of an
  hour and of 100 ms; and a queue `idle` that was only made.
- RQ: `enqueue` twice, 1.1 s apart, once `at_front`, `enqueue_in` an hour, `enqueue_at` 30 s ago.
- Celery: `apply_async` plain, with `priority=9`, and with a `countdown` of an hour.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from unit.checks.fakes import FakeValues, probe, scene

from gonogo.checks.queue import CHECK
from gonogo.model.evidence import Finding, Verdict

RECORDED = Path(__file__).parent / "recorded"


@dataclass
class Clock:
    """A moment that stays."""

    at: float

    def now(self) -> float:
        return self.at


@dataclass
class Queues:
    """A Redis with what one kind wrote, and when that was."""

    kind: str
    url: str
    at: float
    client: Any

    def look(self, after: float = 0.0, **settings: Any) -> Finding:
        """What is found some seconds after the recording."""
        whole = scene(values=FakeValues({"REDIS": self.url}), clock=Clock(self.at + after))
        chosen = {"url": "${REDIS}", "kind": self.kind, "names": ("mail",)} | settings
        return probe(CHECK, whole, **chosen)


def restore(client: Any, keys: dict[str, dict[str, Any]]) -> None:
    """Write recorded keys. Texts are bytes, one for each character."""

    def raw(value: Any) -> Any:
        return value.encode("latin-1") if isinstance(value, str) else value

    for key, typed in keys.items():
        [(kind, value)] = typed.items()
        if kind == "hash":
            client.hset(raw(key), mapping={raw(name): raw(one) for name, one in value.items()})
        elif kind == "list":
            client.rpush(raw(key), *map(raw, value))
        elif kind == "zset":
            client.zadd(raw(key), {raw(name): one for name, one in value.items()})
        elif kind == "set":
            client.sadd(raw(key), *map(raw, value))
        else:
            client.set(raw(key), raw(value))


@pytest.fixture
def recorded(redis_url: str) -> Iterator[Callable[[str], Queues]]:
    """Gives the queues of a kind, in a database of their own."""
    url = redis_url.rpartition("/")[0] + "/7"
    with redis.Redis.from_url(url) as client:
        assert client.dbsize() == 0

        def of(kind: str) -> Queues:
            data = json.loads((RECORDED / f"{kind}.json").read_text())
            restore(client, data["keys"])
            return Queues(kind, url, data["at"], client)

        try:
            yield of
        finally:
            client.flushdb()


Recorded = Callable[[str], Queues]


def test_bullmq(recorded: Recorded) -> None:
    queues = recorded("bullmq")
    finding = queues.look(10, max_depth=10)
    assert finding.verdict is Verdict.PASS
    assert finding.where == "${REDIS}"
    mail = finding.facts["queues"]["mail"]
    assert mail["depth"] == 6  # three invoices, two with a priority, one that is due since
    assert mail["failed"] == 2
    first = float(queues.client.hget("bull:mail:4", "timestamp")) / 1000
    assert mail["age"] == pytest.approx(queues.at + 10 - first, abs=0.01)
    assert finding.found == "mail: 6 waiting, 2 failed, the oldest for 12 s"


def test_bullmq_counts_a_delayed_job_once_it_is_due(recorded: Recorded) -> None:
    mail = recorded("bullmq").look(3700, max_depth=10).facts["queues"]["mail"]
    assert mail["depth"] == 7


def test_bullmq_a_delayed_job_does_not_wait_before_it_is_due(recorded: Recorded) -> None:
    queues = recorded("bullmq")
    queues.client.delete("bull:mail:wait", "bull:mail:prioritized", "bull:mail:delayed")
    queues.client.lpush("bull:mail:wait", "9")  # the one of an hour, put into the list
    due = float(queues.client.hget("bull:mail:9", "timestamp")) / 1000 + 3600
    mail = queues.look(3610, max_depth=10).facts["queues"]["mail"]
    assert mail["age"] == pytest.approx(queues.at + 3610 - due, abs=0.01)


def test_bullmq_paused(recorded: Recorded) -> None:
    """Until version 5 the list is called otherwise while the queue is paused."""
    queues = recorded("bullmq")
    before = queues.look(max_depth=10).facts
    queues.client.rename("bull:mail:wait", "bull:mail:paused")
    assert queues.look(max_depth=10).facts == before


def test_bullmq_idle_and_with_a_prefix(recorded: Recorded) -> None:
    queues = recorded("bullmq")
    finding = queues.look(names=("idle",), max_depth=0, max_failed=0, max_age="1s")
    assert (finding.verdict, finding.found) == (Verdict.PASS, "idle: 0 waiting, 0 failed")
    queues.client.rename("bull:idle:meta", "{shop}:idle:meta")
    assert queues.look(names=("idle",), max_depth=0).verdict is Verdict.UNDECIDED
    assert queues.look(names=("idle",), prefix="{shop}", max_depth=0).verdict is Verdict.PASS


def test_rq(recorded: Recorded) -> None:
    queues = recorded("rq")
    finding = queues.look(5, max_depth=10)
    assert finding.verdict is Verdict.PASS
    mail = finding.facts["queues"]["mail"]
    assert mail["depth"] == 4  # three in the list, one that was to be put into it before
    assert mail["failed"] == 2
    [(_, due)] = queues.client.zrange("rq:scheduled:mail", 0, 0, withscores=True)
    assert mail["age"] == pytest.approx(queues.at + 5 - due, abs=0.01)
    assert mail["age"] > 35


def test_rq_without_what_is_overdue(recorded: Recorded) -> None:
    queues = recorded("rq")
    queues.client.delete("rq:scheduled:mail")
    mail = queues.look(5, max_depth=10).facts["queues"]["mail"]
    assert mail["depth"] == 3
    jobs = [
        queues.client.hget(f"rq:job:{one.decode()}", "enqueued_at")
        for one in queues.client.lrange("rq:queue:mail", 0, -1)
    ]
    since = [datetime.fromisoformat(job.decode()).timestamp() for job in jobs]
    assert mail["age"] == pytest.approx(queues.at + 5 - min(since), abs=0.01)
    assert since[0] > min(since), "the one put in front is not the oldest"


def test_rq_forgets_failed_jobs(recorded: Recorded) -> None:
    year = 366 * 86400
    assert recorded("rq").look(year, max_depth=10).facts["queues"]["mail"]["failed"] == 0


def test_rq_a_job_that_is_gone_meanwhile(recorded: Recorded) -> None:
    queues = recorded("rq")
    queues.client.delete("rq:scheduled:mail", *queues.client.keys("rq:job:*"))
    finding = queues.look(max_depth=10)
    assert finding.found == "mail: 3 waiting, 2 failed"


@pytest.mark.parametrize("separator", ["\x06\x16", ":"])
def test_celery(recorded: Recorded, separator: str) -> None:
    queues = recorded("celery")
    if separator == ":":
        queues.client.rename("mail\x06\x169", "mail:9")
    finding = queues.look(max_depth=10)
    assert (finding.verdict, finding.found) == (Verdict.PASS, "mail: 3 waiting")
    assert queues.look(max_depth=2).verdict is Verdict.FAIL


def test_celery_idle_and_with_a_prefix(recorded: Recorded) -> None:
    queues = recorded("celery")
    queues.client.delete("mail", "mail\x06\x169")
    assert queues.look(max_depth=0).verdict is Verdict.PASS
    queues.client.rename("_kombu.binding.mail", "shop_kombu.binding.mail")
    assert queues.look(max_depth=0).verdict is Verdict.UNDECIDED
    queues.client.rpush("shopmail", "{}")
    assert queues.look(prefix="shop", max_depth=0).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        ({"max_depth": 6}, Verdict.PASS),
        ({"max_depth": 5}, Verdict.FAIL),
        ({"max_failed": 2}, Verdict.PASS),
        ({"max_failed": 1}, Verdict.FAIL),
        ({"max_age": "1m"}, Verdict.PASS),
        ({"max_age": "5s"}, Verdict.FAIL),
        ({"max_depth": 6, "max_failed": 2, "max_age": "5s"}, Verdict.FAIL),
    ],
)
def test_the_limits_decide(recorded: Recorded, limits: dict[str, Any], verdict: Verdict) -> None:
    finding = recorded("bullmq").look(10, **limits)
    assert finding.verdict is verdict
    assert finding.expected.startswith("at most ")


def test_a_name_without_a_trace_is_undecided(recorded: Recorded) -> None:
    for kind in ("bullmq", "rq", "celery"):
        finding = recorded(kind).look(names=("mail", "mial"), max_depth=100)
        assert finding.verdict is Verdict.UNDECIDED
        assert finding.found == "there is no trace of mial: never used, or not its name"
    assert recorded("rq").look(names=("mail", "mial"), max_depth=0).verdict is Verdict.FAIL


def test_nothing_is_written(recorded: Recorded) -> None:
    queues = recorded("bullmq")
    before = {key: queues.client.dump(key) for key in queues.client.keys("*")}
    queues.look(3700, max_depth=0)
    assert {key: queues.client.dump(key) for key in queues.client.keys("*")} == before

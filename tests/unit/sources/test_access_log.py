"""Access logs as servers write them, also while they are rotated."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gonogo.model.configuration import Watch
from gonogo.model.errors import PermanentError
from gonogo.model.target import Counters
from gonogo.ports import Scene
from gonogo.sources.access_log import AccessLogSource

COMBINED = '10.0.0.1 - - [22/Nov/2026:06:00:00 +0000] "GET /a HTTP/1.1" {status} 512 "-" "curl/8"'
JSON = '{{"status": {status}, "request_time": "{seconds}", "uri": "/a"}}'


class Log:
    """A log, and the source that reads it."""

    def __init__(self, path: Path, *, log: str = "access.log") -> None:
        self.path = path / "access.log"
        self.source = AccessLogSource()
        environment = SimpleNamespace(watch=Watch(source="access_log", log=log))
        self.scene = cast("Scene", SimpleNamespace(project=path, run="r", environment=environment))

    def write(self, *lines: str) -> None:
        with self.path.open("a") as log:
            log.write("".join(f"{line}\n" for line in lines))

    def read(self) -> Counters | None:
        return asyncio.run(self.source.read(self.scene))


def totals(counters: Counters | None) -> Any:
    assert counters is not None
    return counters.requests, counters.server_errors


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_what_was_there_before_does_not_count(log: Log) -> None:
    log.write(COMBINED.format(status=500))
    assert totals(log.read()) == (0, 0)
    log.write(COMBINED.format(status=200), COMBINED.format(status=502), "no line of a request")
    found = log.read()
    assert totals(found) == (2, 1)
    assert found is not None
    assert found.buckets == {}  # nobody said how long they took: p95 is not known


@pytest.mark.parametrize("end", [" 0.030", ' "0.030"', " rt=0.030"])
def test_seconds_at_the_end(log: Log, end: str) -> None:
    log.write("")
    log.read()
    log.write(COMBINED.format(status=200) + end)
    found = log.read()
    assert found is not None
    assert (found.buckets[0.025], found.buckets[0.05]) == (0, 1)


def test_json(log: Log) -> None:
    log.write("")
    log.read()
    log.write(JSON.format(status=200, seconds=0.2), '{"status": 500, "duration": 3.1}', "{broken")
    found = log.read()
    assert totals(found) == (2, 1)
    assert found is not None
    assert (found.buckets[0.25], found.buckets[5.0]) == (1, 2)


def test_a_line_half_written_counts_once_it_is_whole(log: Log) -> None:
    log.write("")
    log.read()
    line = COMBINED.format(status=200)
    with log.path.open("a") as file:
        file.write(line[:40])
    assert totals(log.read()) == (0, 0)
    log.write(line[40:])
    assert totals(log.read()) == (1, 0)


@pytest.mark.parametrize("how", ["renamed", "emptied"])
def test_a_rotated_log(log: Log, how: str) -> None:
    log.write(*[COMBINED.format(status=200)] * 3)
    log.read()
    log.write(COMBINED.format(status=200))
    assert totals(log.read()) == (1, 0)
    if how == "renamed":
        log.path.rename(log.path.with_suffix(".1"))
    else:
        log.path.write_text("")
    log.write(COMBINED.format(status=500))
    assert totals(log.read()) == (2, 1)


def test_nothing_to_read(log: Log, tmp_path: Path) -> None:
    assert log.read() is None
    with pytest.raises(PermanentError, match="needs a file"):
        Log(tmp_path, log="").read()

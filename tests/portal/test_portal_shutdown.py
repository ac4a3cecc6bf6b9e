"""SIGTERM ends every process without dropping what it was doing."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

ADD_JOB = (
    "INSERT INTO jobs (id, kind, payload, status, attempts, created_at, updated_at)"
    " VALUES (?, ?, ?, 'waiting', 0, ?, 0)"
)


def _path(database: str) -> str:
    return database.removeprefix("sqlite:///")


def _add_job(database: str, name: str, kind: str, payload: str) -> None:
    with sqlite3.connect(_path(database)) as connection:
        connection.execute(ADD_JOB, (name, kind, payload, int(time.time() * 1000)))


def _jobs(database: str) -> dict[str, str]:
    with sqlite3.connect(_path(database)) as connection:
        return dict(connection.execute("SELECT id, status FROM jobs"))


def test_backend_drains(start: Any, database: str) -> None:
    backend = start("portal.backend", DATABASE_URL=database, DRAIN_SECONDS="1")
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(httpx.get, f"{backend.url}/slow?seconds=2", timeout=10)
        time.sleep(0.3)
        backend.terminate()
        time.sleep(0.1)
        ready = httpx.get(f"{backend.url}/ready")
        assert ready.status_code == 503
        assert ready.json()["reason"] == "stopping"
        assert ready.headers["connection"] == "close"
        assert httpx.get(f"{backend.url}/health").status_code == 200
        assert slow.result().json() == {"slept": 2.0}
    assert backend.wait() == 0


def test_idle_connection_does_not_delay_the_end(start: Any, database: str) -> None:
    backend = start("portal.backend", DATABASE_URL=database, DRAIN_SECONDS="0")
    with backend.client() as client:
        assert client.get("/health").status_code == 200
        began = time.monotonic()
        backend.terminate()
        assert backend.wait() == 0
    assert time.monotonic() - began < 3


def test_worker_carries_out_an_order(start: Any, database: str, tools: Any) -> None:
    backend = start("portal.backend", DATABASE_URL=database)
    worker = start("portal.worker", DATABASE_URL=database, probe=None)
    with backend.signed_in() as client:
        assert client.post("/orders", json={"product": "vpn"}).status_code == 201
        tools.wait_until(lambda: client.get("/health/queues").json()["depth"] == 0)
        tools.wait_until(lambda: len(client.get("/invoices").json()["invoices"]) == 7)
        assert client.get("/dashboard").json()["orders"][0]["status"] == "active"
        assert len(client.get("/subscriptions").json()["subscriptions"]) == 3
    worker.terminate()
    assert worker.wait() == 0


def test_worker_finishes_its_job_and_takes_no_other(start: Any, database: str, tools: Any) -> None:
    _add_job(database, "first", "pause", '{"seconds": 1}')
    worker = start("portal.worker", DATABASE_URL=database, probe=None)
    tools.wait_until(lambda: _jobs(database).get("first") == "running")
    _add_job(database, "second", "pause", '{"seconds": 1}')
    worker.terminate()
    assert worker.wait() == 0
    assert _jobs(database) == {"second": "waiting"}


def test_failing_job_is_set_aside(start: Any, database: str, tools: Any) -> None:
    _add_job(database, "odd", "unknown kind", "{}")
    start("portal.worker", DATABASE_URL=database, probe=None)
    tools.wait_until(lambda: _jobs(database) == {"odd": "failed"})


@pytest.mark.parametrize(
    ("module", "settings", "message"),
    [
        ("portal.backend", {"PORTAL_ENV": "production"}, "SESSION_SECRET is not set"),
        ("portal.backend", {"SESSION_SECRET": "short"}, "SESSION_SECRET must have"),
        ("portal.backend", {"PORT": "99999"}, "PORT must be"),
        ("portal.backend", {"CORS_ORIGIN": "*"}, "CORS_ORIGIN must look like"),
        ("portal.frontend", {"BACKEND_URL": "localhost:4000"}, "BACKEND_URL must be"),
        ("portal.worker", {"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must be"),
        ("portal.migrate", {"DATABASE_URL": "sqlite://x.db"}, "with three slashes"),
    ],
)
def test_bad_setting_is_one_line_and_exit_2(
    tools: Any, module: str, settings: dict[str, str], message: str
) -> None:
    done = tools.run(module, **settings)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1

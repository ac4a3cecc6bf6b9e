"""The check `redis` against a real server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from unit.checks.fakes import FakeValues, closed_port, probe, scene, silence

from gonogo.checks.redis import CHECK, Settings
from gonogo.model.evidence import Finding, Verdict


def look(url: str, **settings: Any) -> Finding:
    """What is found at the address of a variable, of which nothing may be seen."""
    finding = probe(CHECK, scene(values=FakeValues({"R": url})), **{"url": "${R}"} | settings)
    assert finding.where == "${R}"
    assert str(urlsplit(url).hostname) not in str(finding.to_json())
    return finding


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the server, which is as it was afterwards."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        kept = {name: client.config_get(name)[name] for name in ("maxmemory", "maxmemory-policy")}
        yield client
        for name, value in kept.items():
            client.config_set(name, value)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ready(redis_url: str) -> None:
    finding = look(redis_url)
    assert finding.verdict is Verdict.PASS
    assert finding.found.startswith("Redis ")
    assert ", master, " in finding.found
    assert finding.expected == "master, saved, and at most 80% of its memory"
    assert finding.facts["role"] == "master"
    assert finding.seconds > 0


@pytest.mark.parametrize(
    ("share", "policy", "verdict"),
    [
        (0.5, "noeviction", Verdict.PASS),
        (0.88, "noeviction", Verdict.WARN),
        (0.98, "noeviction", Verdict.FAIL),
        (0.98, "volatile-lru", Verdict.FAIL),
        (0.98, "allkeys-lru", Verdict.PASS),
    ],
)
def test_memory(server: Any, redis_url: str, share: float, policy: str, verdict: Verdict) -> None:
    server.config_set("maxmemory-policy", policy)
    server.config_set("maxmemory", int(server.info("memory")["used_memory"] / share))
    finding = look(redis_url)
    assert finding.verdict is verdict
    assert ("memory is nearly full" in finding.found) is (verdict is not Verdict.PASS)


def test_a_save_that_failed(server: Any, redis_url: str) -> None:
    folder = Path(server.config_get("dir")["dir"])
    if not folder.exists():
        pytest.skip("the server is on another machine")
    mode = folder.stat().st_mode

    def save(result: str) -> None:
        server.bgsave()
        until(lambda: server.info("persistence")["rdb_bgsave_in_progress"] == 0)
        assert server.info("persistence")["rdb_last_bgsave_status"] == result

    try:
        folder.chmod(0o500)
        save("err")
        finding = look(redis_url)
    finally:
        folder.chmod(mode)
        save("ok")
    assert finding.verdict is Verdict.FAIL
    assert finding.found.startswith("the last save to disk failed; Redis")


def test_a_replica(server: Any, redis_url: str) -> None:
    server.replicaof("127.0.0.1", closed_port())
    try:
        finding = look(redis_url)
        assert finding.verdict is Verdict.FAIL
        assert finding.found.startswith("it is a replica; the link to its master is down; Redis")
        finding = look(redis_url, role="replica")
        assert finding.found.startswith("the link to its master is down; Redis")
    finally:
        server.replicaof("NO", "ONE")
    assert look(redis_url, role="any").verdict is Verdict.PASS
    assert look(redis_url, role="replica").verdict is Verdict.FAIL


def test_users(server: Any, redis_url: str) -> None:
    at = urlsplit(redis_url).netloc
    server.acl_setuser("app_x", enabled=True, passwords=["+s3cr3t/w0rd"], commands=["+ping"])
    try:
        finding = look(f"redis://app_x:not-this-one@{at}/0")
        assert finding.verdict is Verdict.FAIL
        assert "password" in finding.found
        finding = look(f"redis://app_x:s3cr3t%2Fw0rd@{at}/0")
        assert finding.verdict is Verdict.ERROR
        assert finding.found.startswith("the server does not tell: ")
        assert "app_x" not in finding.found
        server.acl_setuser("app_x", enabled=True, commands=["+info"])
        assert look(f"redis://app_x:s3cr3t%2Fw0rd@{at}/0?family=6").verdict is Verdict.PASS
    finally:
        server.acl_deluser("app_x")


def test_no_answer_fails() -> None:
    finding = look(f"redis://127.0.0.1:{closed_port()}/0")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "connection refused")
    finding = look("redis://cache.no-such-host.invalid/0")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "the name of the host is not known")
    with silence() as port:
        finding = look(f"redis://127.0.0.1:{port}/0", timeout="300ms")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "timed out after 0.3 s")


def test_a_server_without_tls_fails(redis_url: str) -> None:
    finding = look(redis_url.replace("redis://", "rediss://") + "?ssl_cert_reqs=CERT_NONE")
    assert finding.verdict is Verdict.FAIL


def test_a_service_inside_the_containers_network_is_undecided() -> None:
    finding = look("redis://gonogo-no-such-service:6379/0")
    assert finding.verdict is Verdict.UNDECIDED
    assert "inside the network of the containers" in finding.found


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://:pass#word@127.0.0.1:6379", "pass"])
def test_not_an_address_is_an_error_that_quotes_nothing(url: str) -> None:
    finding = probe(CHECK, scene(values=FakeValues({"R": url})), url="${R}")
    assert finding.verdict is Verdict.ERROR
    assert "pass" not in finding.found


def test_a_password_in_the_file_is_not_shown() -> None:
    url = f"redis://:secret-word@127.0.0.1:{closed_port()}/0"
    finding = probe(CHECK, scene(), url=url)
    assert finding.verdict is Verdict.FAIL
    assert "secret" not in str(finding.to_json()) + str(CHECK.describe(Settings(url=url), scene()))

"""Each proxy in a container: no request fails in a switch, and no restart loses the route."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.proof import write_results
from load_client import Load

from gonogo.model.errors import TemporaryError

from .engine import docker
from .proxy_site import PORT, Site, get, until

R1, R2, R3 = (f"2026-12-01.{number}" for number in (1, 2, 3))
NO_ROUTE = {"haproxy": 503, "nginx": 503, "traefik": 404}
DRAIN = 2.0

REQUESTS = 20_000 if os.environ.get("GONOGO_PROOF_REQUESTS") else 2_000
RATE = float(os.environ.get("GONOGO_PROOF_RATE") or 120)
SWITCHES = 4


@pytest.fixture(params=list(NO_ROUTE))
def site(request: pytest.FixtureRequest, images: None, tmp_path: Path) -> Iterator[Site]:
    """Deeper than the path of a socket may be long."""
    folder = tmp_path / ("deep" * 20)
    folder.mkdir()
    one = Site(folder, kind=request.param)
    try:
        yield one
    finally:
        one.remove()


def test_no_request_fails_while_releases_follow_each_other(site: Site) -> None:
    async def story() -> None:
        await site.start()
        old = [site.launch(R1, 1), site.launch(R1, 2)]
        await site.serving(*old)
        await site.proxy.point("web", R1, old)
        ends, times = time.monotonic() + REQUESTS / RATE + 2, []
        with Load(site.port, RATE) as load:
            while len(times) < SWITCHES or time.monotonic() < ends:
                release = (R2, R3, R1)[len(times) % 3]
                new = [site.launch(release, 1), site.launch(release, 2)]
                await site.serving(*new)
                begun = time.monotonic()
                await site.proxy.point("web", release, new)
                times.append(time.monotonic() - begun)
                assert get(f"127.0.0.1:{site.port}") == (200, release)
                assert await site.proxy.observe() == {"web": sorted(new)}
                await asyncio.sleep(DRAIN)
                await asyncio.to_thread(site.retire, *old)
                old = new
        counted = await site.proxy.counters("web", release)
        figures = {"switches": len(times), "slowest_switch_s": round(max(times), 2), **load.seen}
        write_results(f"proxy_{site.kind}", figures)
        print(site.kind, figures)
        assert load.failures == []
        assert load.requests >= REQUESTS
        assert counted and counted.requests > 0 and counted.server_errors == 0

    asyncio.run(story())


def test_a_websocket_stays_where_it_is(site: Site) -> None:
    async def story() -> None:
        await site.start()
        old, new = site.launch(R1), site.launch(R2)
        await site.serving(old, new)
        await site.proxy.point("web", R1, [old])
        with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
            connection.sendall(b"GET /echo HTTP/1.1\r\nhost: a\r\n")
            connection.sendall(b"connection: upgrade\r\nupgrade: echo\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 101 ")
            await site.proxy.point("web", R2, [new])
            assert get(f"127.0.0.1:{site.port}") == (200, R2)
            connection.sendall(b"!")
            assert connection.recv(1000) == f"{R1}!".encode()

    asyncio.run(story())


def test_nobody_has_the_traffic(site: Site) -> None:
    async def story() -> None:
        await site.start()
        address = f"127.0.0.1:{site.port}"
        assert await site.proxy.observe() == {}
        one = site.launch(R1)
        await site.serving(one)
        await site.proxy.point("web", R1, [one])
        assert get(address) == (200, R1)
        await site.proxy.point("web", "", [])
        await site.proxy.point("web", "", [])
        answered = get(address)
        assert answered and answered[0] == NO_ROUTE[site.kind]
        assert await site.proxy.observe() == {}

    asyncio.run(story())


def test_the_route_is_there_again_after_a_restart_with_other_ips(site: Site) -> None:
    """First of the proxy, then of everything, as when the engine is started again."""

    async def story() -> None:
        await site.start()
        old, new = site.launch(R1), site.launch(R2)
        await site.serving(old, new)
        await site.proxy.point("web", R1, [old])
        await site.proxy.point("web", R2, [new])
        docker("restart", "--time", "1", site.container)
        await until(lambda: get(f"127.0.0.1:{site.port}") == (200, R2))
        before = site.ip(old), site.ip(new)
        docker("kill", *site.containers)
        docker("start", site.container)
        await until(lambda: get(f"127.0.0.1:{site.port}") is not None)
        for address in (new, old):
            docker("start", address.partition(":")[0])
        assert (site.ip(old), site.ip(new)) != before
        await site.serving(old, new)
        assert await until(lambda: get(f"127.0.0.1:{site.port}") == (200, R2)) < 3
        assert await site.proxy.observe() == {"web": [new]}

    asyncio.run(story())


def test_an_instance_that_comes_back_with_another_ip(site: Site) -> None:
    async def story() -> None:
        await site.start()
        one = site.launch(R1)
        await site.serving(one)
        await site.proxy.point("web", R1, [one])
        before = site.ip(one)
        docker("kill", one.partition(":")[0])
        site.take_ip()
        docker("start", one.partition(":")[0])
        assert site.ip(one) != before
        await site.serving(one)
        assert await until(lambda: get(f"127.0.0.1:{site.port}") == (200, R1)) < 3
        assert await site.proxy.observe() == {"web": [one]}

    asyncio.run(story())


def test_one_of_two_instances_dies(site: Site) -> None:
    """Only HAProxy gives its share to the other; every failure is counted."""

    async def story() -> None:
        await site.start()
        both = [site.launch(R1, 1), site.launch(R1, 2)]
        await site.serving(*both)
        await site.proxy.point("web", R1, both)
        with Load(site.port) as load:
            await asyncio.sleep(2)
            docker("kill", both[0].partition(":")[0])
            await asyncio.sleep(4)
        counted = await site.proxy.counters("web", R1)
        assert load.failed < (8 if site.kind == "haproxy" else 0.7 * load.requests)
        # An answer that broke off in its middle counts as it began.
        assert counted and 0 <= load.failed - counted.server_errors <= 2
        assert counted.requests == load.requests

    asyncio.run(story())


def test_every_failure_is_counted(site: Site) -> None:
    """Also one that HAProxy by itself would hide: on a connection that had an answer before."""

    async def story() -> None:
        assert await site.proxy.counters("web", R1) is None
        await site.start()
        one = site.launch(R1)
        await site.serving(one)
        await site.proxy.point("web", R1, [one])
        kept = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
        for path, status in (("/", 200), ("/slow", 200), ("/bad", 500), ("/", 200), ("/cut", 502)):
            kept.request("POST", path, body=b"x")
            answered = kept.getresponse()
            assert (answered.status, bool(answered.read())) == (status, True)
        kept.close()
        docker("stop", "--time", "5", one.partition(":")[0])
        await until(lambda: get(f"127.0.0.1:{site.port}") is not None)
        counted = await site.proxy.counters("web", R1)
        assert counted and (counted.requests, counted.server_errors) == (6, 3)
        assert counted.buckets[0.5] < counted.buckets[10.0]
        other = await site.proxy.counters("web", R2)
        assert other is None or other.requests == 0

    asyncio.run(story())


def test_an_instance_that_cannot_be_reached_gets_no_traffic(site: Site) -> None:
    async def story() -> None:
        await site.start()
        one = site.launch(R1)
        await site.serving(one)
        await site.proxy.point("web", R1, [one])
        with pytest.raises(TemporaryError, match="has no IP"):
            await site.proxy.point("web", R2, [f"{site.name}--{R2}--1:{PORT}"])
        assert get(f"127.0.0.1:{site.port}") == (200, R1)
        assert await site.proxy.observe() == {"web": [one]}

    asyncio.run(story())


def test_what_a_client_says_is_passed_on(site: Site) -> None:
    """The path as it was written, and what a proxy before this one found out."""

    async def story() -> None:
        await site.start()
        one = site.launch(R1)
        await site.serving(one)
        await site.proxy.point("web", R1, [one])
        told = get(f"127.0.0.1:{site.port}", "/told/a%2Fb?x=%20", {"X-Forwarded-Proto": "https"})
        assert told
        lines = told[1].lower().splitlines()
        assert lines[0] == "get /told/a%2fb?x=%20 http/1.1"
        assert "x-forwarded-proto: https" in lines
        assert f"host: 127.0.0.1:{site.port}" in lines
        assert any(line.startswith("x-forwarded-for: ") for line in lines)

    asyncio.run(story())


@pytest.mark.parametrize("site", ["haproxy", "nginx"], indirect=True)
def test_a_new_port_is_read_while_customers_go_on(site: Site) -> None:
    async def story() -> None:
        await site.start()
        one = site.launch(R1)
        await site.serving(one)
        await site.proxy.point("web", R1, [one])
        with Load(site.port) as load:
            await asyncio.sleep(1)
            await _new_port(site)
            await site.proxy.point("admin", R1, [one])
            await asyncio.sleep(1)
        if site.kind == "haproxy":
            assert load.failures == []
        # nginx reads the new ports in at once: a kept connection may be closed as its client sends.
        assert {one["connection"] for one in load.failures} <= {"kept"}
        assert await site.proxy.observe() == {"admin": [one], "web": [one]}
        assert get(f"{site.ip(site.container)}:4001") == (200, R1)

    asyncio.run(story())


@pytest.mark.parametrize("site", ["traefik"], indirect=True)
def test_a_new_port_restarts_traefik(site: Site) -> None:
    async def story() -> None:
        await site.start()
        one = site.launch(R1)
        await site.serving(one)
        await site.proxy.point("web", R1, [one])
        await _new_port(site)
        await site.proxy.point("admin", R1, [one])
        assert await site.proxy.observe() == {"admin": [one], "web": [one]}
        for port in (PORT, 4001):
            assert get(f"{site.ip(site.container)}:{port}") == (200, R1)

    asyncio.run(story())


async def _new_port(site: Site) -> None:
    site.ports = {**site.ports, "admin": 4001}
    assert not await site.proxy.answers()
    await site.renew()

"""Traefik under the same supervisord, with instances behind it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from load_client import Load
from local_site import Site, answer, free_port, release

from gonogo.engines import _processes
from gonogo.model.errors import PermanentError
from gonogo.proxies.traefik import TraefikProxy

Build = Callable[..., Site]


def test_a_switch_under_load_fails_no_request(site: Build) -> None:
    async def story() -> None:
        one = site(proxied=True)
        await one.foundation.up()
        old = await one.serving(await one.engine.launch("web", release(0), 1))
        await one.proxy.point("web", old.release, [old.address])
        with Load(one.port) as load:
            await asyncio.sleep(1)
            for number in range(1, 3):
                new = await one.serving(await one.engine.launch("web", release(number), 1))
                await asyncio.sleep(0.3)
                await one.proxy.point("web", new.release, [new.address])
                assert answer(f"127.0.0.1:{one.port}") == (200, new.release)
                await asyncio.sleep(1.5)  # the drain: longer than the longest request
                await one.engine.retire(old)
                old = new
        assert load.failures == []
        assert load.requests > 200
        assert load.seen["cut"] == 0

    asyncio.run(story())


def test_counters_are_of_one_service_in_one_release(site: Build) -> None:
    async def story() -> None:
        one = site(proxied=True)
        assert await one.proxy.counters("web", release(1).id) is None
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(1), 1))
        await one.proxy.point("web", release(1).id, [instance.address])
        address = f"127.0.0.1:{one.port}"
        for path in ("/", "/", "/bad", "/slow", "/a%2Fb?x=1;y=2"):
            await asyncio.to_thread(answer, address, path)
        counted = await one.proxy.counters("web", release(1).id)
        assert counted and (counted.requests, counted.server_errors) == (5, 1)
        assert counted.buckets[0.5] == 4 and counted.buckets[2.5] == 5
        other = await one.proxy.counters("web", "2026-12-01.11")
        assert other and other.requests == 0
        await one.engine.retire(instance)
        await asyncio.to_thread(answer, address)
        counted = await one.proxy.counters("web", release(1).id)
        assert counted and (counted.requests, counted.server_errors) == (6, 2)

    asyncio.run(story())


def test_what_is_in_force_can_be_seen(site: Build) -> None:
    async def story() -> None:
        one = site(proxied=True)
        await one.foundation.up()
        assert await one.foundation.running()
        assert await one.proxy.observe() == {}
        addresses = ["127.0.0.1:20001", "127.0.0.1:20002"]
        await one.proxy.point("web", release(1).id, addresses)
        await one.proxy.point("web", release(1).id, addresses)
        assert await one.proxy.observe() == {"web": addresses}
        await one.foundation.down()
        assert await one.proxy.observe() == {"web": addresses}
        await one.foundation.up()
        assert await one.proxy.observe() == {"web": addresses}
        await one.proxy.point("web", release(1).id, [])
        await one.proxy.point("web", release(1).id, [])
        assert await one.proxy.observe() == {}
        answered = answer(f"127.0.0.1:{one.port}")
        assert answered and answered[0] == 404

    asyncio.run(story())


def test_a_switch_that_was_cut_is_not_taken_for_done(site: Build) -> None:
    """The file is written and Traefik has not read it: neither the old nor the new state holds."""

    async def story() -> None:
        one = site(proxied=True)
        await one.foundation.up()
        old = await one.serving(await one.engine.launch("web", release(0), 1))
        await one.proxy.point("web", old.release, [old.address])
        assert await one.proxy.settled("web")
        for wanted in ([], [old.address]):
            for addresses in (["127.0.0.1:9"], []):
                cut = asyncio.create_task(one.proxy.point("web", "other", addresses))
                await asyncio.sleep(0)
                cut.cancel()
                settled = await one.proxy.settled("web")
                now = (await one.proxy.observe()).get("web", [])
                assert not settled or sorted(now) == sorted(addresses)
                assert set(addresses) <= set(now)
                await one.proxy.point("web", old.release, wanted)
                for _ in range(10):
                    assert (await one.proxy.observe()).get("web", []) == wanted
                    await asyncio.sleep(0.05)

    asyncio.run(story())


def test_a_new_port_restarts_traefik(site: Build) -> None:
    async def story() -> None:
        one = site(proxied=True)
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(1), 1))
        await one.proxy.point("web", release(1).id, [instance.address])
        second = Site(root=one.root, proxied=True)
        assert second.port != one.port
        assert await one.foundation.running() and not await second.foundation.running()
        await second.foundation.up()
        await second.proxy.point("web", release(1).id, [instance.address])
        assert answer(f"127.0.0.1:{second.port}") == (200, release(1).id)
        assert answer(f"127.0.0.1:{one.port}") is None

    asyncio.run(story())


def test_a_port_that_somebody_else_has(site: Build) -> None:
    async def story() -> None:
        one = site(proxied=True)
        with socket.create_server(("127.0.0.1", one.port)):
            with pytest.raises(PermanentError, match=f"{one.port}.*address already in use"):
                await one.foundation.up()
            assert not await one.foundation.running()
        await one.foundation.up()
        assert await one.foundation.running()

    asyncio.run(story())


def test_an_api_port_that_another_environment_has_now(site: Build) -> None:
    async def story() -> None:
        one, other = site(proxied=True), site(proxied=True)
        await one.foundation.up()
        await one.proxy.point("web", release(1).id, ["127.0.0.1:20001"])
        taken = (one.root / "proxy" / "api.port").read_text()
        other.proxy.program()
        kept = other.root / "proxy" / "api.port"
        kept.write_text(taken)
        assert await other.proxy.observe() == {}
        assert await other.proxy.counters("web", release(1).id) is None
        await other.foundation.up()
        assert kept.read_text() != taken
        await other.proxy.point("web", release(2).id, ["127.0.0.1:20002"])
        assert await one.proxy.observe() == {"web": ["127.0.0.1:20001"]}
        assert await one.foundation.running() and await other.foundation.running()

    asyncio.run(story())


def test_describe_touches_nothing(tmp_path: Path, site: Build) -> None:
    one = site()
    proxy = TraefikProxy(root=tmp_path / "none", ports={"web": free_port()}, clock=one.clock)
    assert "web-2026-12-01.1" in proxy.describe("web", release(1))[0].what
    assert proxy.describe("web", None)[0].what.startswith("rm ")
    assert not (tmp_path / "none").exists()


def test_a_killed_supervisor_takes_the_proxy_along(site: Build) -> None:
    async def story() -> None:
        one = site(proxied=True)
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(1), 1))
        await one.proxy.point("web", release(1).id, [instance.address])
        os.kill(int((one.root / "supervisor" / "supervisord.pid").read_text()), signal.SIGKILL)
        await asyncio.sleep(0.2)
        assert answer(f"127.0.0.1:{one.port}") == (200, release(1).id)
        await one.foundation.up()
        await one.serving(instance)
        assert await one.proxy.observe() == {"web": [instance.address]}
        async with asyncio.timeout(10):  # Traefik answers 404 until it has read its routes
            while answer(f"127.0.0.1:{one.port}") != (200, release(1).id):
                await asyncio.sleep(0.05)
        assert len(_processes.marked(one.root)) == 2

    asyncio.run(story())

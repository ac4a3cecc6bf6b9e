"""HAProxy's files and answers, and point() interrupted anywhere, on a HAProxy in memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fake_haproxy import OWN, FakeHaproxy

from gonogo.hosts.clock import SystemClock
from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.release import Release
from gonogo.ports import Completed
from gonogo.proxies import _haproxy_config as config
from gonogo.proxies._common import Surroundings
from gonogo.proxies._haproxy_runtime import parse_servers, parse_totals
from gonogo.proxies._maintenance import DEFAULT_PAGE
from gonogo.proxies.haproxy import HaproxyProxy

DATA = Path(__file__).parent / "data"
OLD = [f"web--2026-12-01.1--{number}:4000" for number in (1, 2)]
NEW = [f"web--2026-12-01.2--{number}:4000" for number in (1, 2)]
R1, R2 = "2026-12-01.1", "2026-12-01.2"


class FastClock(SystemClock):
    """Ten seconds pass in no time."""

    _now = 0.0

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += 1
        await asyncio.sleep(0)


def host(address: str) -> str:
    return address.partition(":")[0]


async def nowhere(service: str) -> str:
    return ""


async def nothing(*command: str) -> Completed:
    raise AssertionError(command)


def haproxy(folder: Path, ports: dict[str, int]) -> HaproxyProxy:
    around = Surroundings(
        folder=folder,
        ports=ports,
        clock=FastClock(),
        image="haproxy:2.6",
        reach=nowhere,
        inside=nothing,
        page=DEFAULT_PAGE,
    )
    return HaproxyProxy(around)


def proxy_in(folder: Path, **ports: int) -> HaproxyProxy:
    made = haproxy(folder, ports or {"web": 4000})
    for path, content in made.container().files.items():
        path.write_bytes(content)
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Deeper than the path of a socket may be long."""
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    monkeypatch.chdir(deep)
    return deep


Story = Callable[[HaproxyProxy, FakeHaproxy], Awaitable[None]]


def play(folder: Path, story: Story) -> None:
    """With an HAProxy that has just been started."""
    dns = {host(address): f"10.0.0.{n}" for n, address in enumerate(OLD + NEW, 1)}

    async def scene() -> None:
        proxy = proxy_in(folder)
        fake = FakeHaproxy(folder, dns)
        fake.start()
        async with fake.listening():
            await story(proxy, fake)

    asyncio.run(scene())


def test_a_route_comes_back_as_it_was_written() -> None:
    since = config.Totals(started=1795316903, counts=tuple(range(config.COUNTS)))
    route = config.Route(release=R2, servers={"s3": NEW[0], "s32": NEW[1]}, since=since)
    assert config.parse(config.render("web", route)) == route
    assert config.parse(config.render("web", config.Route())) == config.Route()


def test_a_route_names_its_instances() -> None:
    text = config.render("web", config.Route(servers={"s2": NEW[0]}))
    assert "\nbackend web from services\n" in text
    assert f"\n    server s2 {NEW[0]}\n    server s3 0.0.0.0:1 disabled\n" in text
    assert text.count("    server ") == len(config.SLOTS)


def test_the_configuration_changes_with_the_ports_only() -> None:
    one = config.static({"web": 4000, "api": 3000})
    assert one == config.static({"api": 3000, "web": 4000})
    assert "listen web.entry from services\n    bind :4000\n" in one
    assert f"description {config.fingerprint({'web': 4000, 'api': 3000})}\n" in one
    assert config.fingerprint({"web": 4000}) != config.fingerprint({"web": 4001})
    assert not re.search(r"\blog\b", one)


def test_what_haproxy_says_about_its_servers() -> None:
    (backend, servers), *others = parse_servers((DATA / "servers-state.txt").read_text()).items()
    assert (backend, others, len(servers)) == ("web", [], len(config.SLOTS))
    retired, draining, serving, lost, unused = servers[:5]
    assert (retired.host, retired.ip, retired.in_force) == ("web--2026-12-01.1--1", "", False)
    assert (draining.ip, draining.in_force) == ("172.19.0.4", False)
    assert (serving.address, serving.in_force, serving.usable) == (NEW[0], True, True)
    assert (lost.address, lost.in_force, lost.usable) == (NEW[1], True, False)
    assert (unused.address, unused.ip, unused.in_force) == ("", "", False)


def test_what_haproxy_counted() -> None:
    before = parse_totals((DATA / "totals-before.txt").read_text())
    after = parse_totals((DATA / "totals-after.txt").read_text())
    assert before.counts == (0,) * config.COUNTS
    assert before.started == after.started > 1_700_000_000
    assert after.counts == (4, 1, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4)


def test_traffic_moves_and_what_was_counted_before_stays_out(folder: Path) -> None:
    async def story(proxy: HaproxyProxy, fake: FakeHaproxy) -> None:
        assert await proxy.observe() == {}
        await proxy.point("web", R1, OLD)
        fake.answered = 7
        await proxy.point("web", R2, NEW)
        fake.answered = 10
        await proxy.point("web", R2, NEW[::-1])
        assert (fake.serving(), await proxy.observe()) == (NEW, {"web": NEW})
        counted = await proxy.counters("web", R2)
        assert counted and counted.requests == 3
        assert await proxy.counters("web", R1) is None
        fake.start()
        fake.answered = 2
        counted = await proxy.counters("web", R2)
        assert counted and counted.requests == 2
        await proxy.point("web", "", [])
        assert (fake.serving(), await proxy.observe()) == ([], {})

    play(folder, story)


def test_one_instance_more_does_not_start_the_count_anew(folder: Path) -> None:
    async def story(proxy: HaproxyProxy, fake: FakeHaproxy) -> None:
        await proxy.point("web", R1, OLD[:1])
        fake.answered = 5
        await proxy.point("web", R1, OLD)
        counted = await proxy.counters("web", R1)
        assert counted and counted.requests == 5
        assert fake.serving() == OLD

    play(folder, story)


def test_new_instances_get_traffic_before_the_old_ones_lose_it(folder: Path) -> None:
    async def story(proxy: HaproxyProxy, fake: FakeHaproxy) -> None:
        await proxy.point("web", R1, OLD)
        fake.asked.clear()
        await proxy.point("web", R2, NEW)
        states = [asked.split(" ", 2)[2] for asked in fake.asked if " state " in asked]
        assert states == [
            "web/s3 state ready",
            "web/s4 state ready",
            "web/s1 state drain",
            "web/s2 state drain",
        ]

    play(folder, story)


def test_another_port_and_a_slot_whose_name_was_lost(folder: Path) -> None:
    async def story(proxy: HaproxyProxy, fake: FakeHaproxy) -> None:
        for port in range(4000, 4000 + 2 * len(config.SLOTS)):
            name = f"web--2026-12-01.{port}--1"
            fake.dns = {name: "10.0.1.1"}
            fake.start()
            await proxy.point("web", f"2026-12-01.{port}", [f"{name}:{port}"])
            assert fake.serving() == [f"{name}:{port}"]

    play(folder, story)


def test_a_name_that_is_not_resolved_changes_nothing(folder: Path) -> None:
    async def story(proxy: HaproxyProxy, fake: FakeHaproxy) -> None:
        await proxy.point("web", R1, OLD)
        written = (folder / "routes" / "web.cfg").read_text()
        del fake.dns["web--2026-12-01.2--2"]
        with pytest.raises(TemporaryError, match=r"web--2026-12-01\.2--2 has no IP"):
            await proxy.point("web", R2, NEW)
        assert (folder / "routes" / "web.cfg").read_text() == written
        assert (fake.serving(), await proxy.observe()) == (OLD, {"web": OLD})
        assert fake.followed() == {OWN, *map(host, OLD)}

    play(folder, story)


def test_more_instances_than_slots(folder: Path) -> None:
    async def story(proxy: HaproxyProxy, fake: FakeHaproxy) -> None:
        many = [f"web--2026-12-01.3--{number}:4000" for number in range(31)]
        await proxy.point("web", R1, OLD)
        with pytest.raises(PermanentError, match="32"):
            await proxy.point("web", "2026-12-01.3", many)
        assert fake.serving() == OLD

    play(folder, story)


def test_without_haproxy_the_written_routes_are_seen(folder: Path) -> None:
    async def story(proxy: HaproxyProxy, fake: FakeHaproxy) -> None:
        await proxy.point("web", R1, OLD)
        fake.breaks_after = 0
        assert await proxy.observe() == {"web": OLD}
        assert await proxy.counters("web", R1) is None
        assert not await proxy.answers()
        with pytest.raises(TemporaryError, match="HAProxy does not answer"):
            await proxy.point("web", R2, NEW)
        assert await proxy.observe() == {"web": OLD}

    play(folder, story)


@pytest.mark.parametrize("ending", ["new", "old"])
@pytest.mark.parametrize("restarted", [False, True])
def test_killed_anywhere_it_ends_right(folder: Path, ending: str, restarted: bool) -> None:
    """After each command users are served, observe() hides nothing, and on or back ends right."""

    async def story(proxy: HaproxyProxy, fake: FakeHaproxy) -> None:
        release, wanted = (R2, NEW) if ending == "new" else (R1, OLD)
        interrupted = 0
        while True:
            await proxy.point("web", R1, OLD)
            fake.start()
            fake.asked.clear()
            fake.breaks_after = interrupted
            try:
                await proxy.point("web", R2, NEW)
                break
            except TemporaryError:
                interrupted += 1
            fake.breaks_after = 1_000_000
            assert fake.serving() in (OLD, OLD + NEW, OLD + NEW[:1], OLD[1:] + NEW, NEW)
            assert set(fake.serving()) <= set((await proxy.observe())["web"])
            if restarted:
                seen = (await proxy.observe())["web"]
                fake.start()
                assert fake.serving() in (OLD, NEW)
                assert set(fake.serving()) <= set(seen)
            await proxy.point("web", release, wanted)
            assert (fake.serving(), await proxy.observe()) == (wanted, {"web": wanted})
            assert fake.followed() <= {OWN, *map(host, wanted)}
            fake.start()
            assert fake.serving() == wanted
        assert interrupted > 12

    play(folder, story)


def test_every_service_with_a_port_has_a_route(folder: Path) -> None:
    proxy = proxy_in(folder / "a" / "b", web=4000, api=3000)
    routes = sorted((folder / "a" / "b" / "routes").iterdir())
    assert [path.name for path in routes] == ["api.cfg", "web.cfg"]
    before = [path.stat().st_mtime_ns for path in routes]
    assert proxy.container() == proxy.container()
    assert [path.stat().st_mtime_ns for path in routes] == before
    assert proxy.container().folder.stat().st_mode & 0o777 == 0o700


def test_describe_touches_nothing(tmp_path: Path) -> None:
    proxy = haproxy(tmp_path / "none", {"web": 4000})
    told = proxy.describe("web", Release(id=R1, commit="0" * 40))[0].what
    assert R1 in told and "web.cfg" in told
    assert "nobody" in proxy.describe("web", None)[0].what
    assert not (tmp_path / "none").exists()

"""nginx's files, what its counts mean, and what is done when it refuses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from gonogo.hosts.clock import SystemClock
from gonogo.model.errors import TemporaryError
from gonogo.model.release import Release
from gonogo.ports import Completed
from gonogo.proxies import _nginx_config as config
from gonogo.proxies._common import BUCKETS, Surroundings
from gonogo.proxies._maintenance import DEFAULT_PAGE
from gonogo.proxies._nginx_config import Route
from gonogo.proxies.nginx import NginxProxy

R1, R2 = "2026-12-01.1", "2026-12-01.2"
OLD, NEW = (f"web--{release}--1:4000" for release in (R1, R2))
PORTS = {"web": 4000, "web-api": 4000, "web.api": 3000}


async def nowhere(service: str) -> str:
    return ""


class Inside:
    """Answers the commands: by their first words, code and standard output."""

    def __init__(self, answers: Mapping[str, tuple[int, str]]) -> None:
        self.answers = answers

    async def __call__(self, *command: str) -> Completed:
        line = " ".join(command)
        code, output = next(
            (what for words, what in self.answers.items() if words in line), (0, "")
        )
        return Completed(code=code, output=output, stdout=output, seconds=0)


def nginx(folder: Path, **answers: tuple[int, str]) -> NginxProxy:
    return NginxProxy(
        Surroundings(
            folder=folder,
            ports=PORTS,
            clock=SystemClock(),
            image="nginx:1.22",
            reach=nowhere,
            inside=Inside(answers),
            page=DEFAULT_PAGE,
        )
    )


def test_routes_are_read_back() -> None:
    routes = {
        "web": Route(release=R1, addresses=(OLD, NEW, "c:1")),
        "web-api": Route(),
    }
    text = config.render(routes)
    assert config.parse(text) == routes
    assert text.count("33.33% ") == 2
    assert text.count(f"    33.33% {OLD};\n") == 1


def test_every_variable_of_nginx_conf_is_in_the_routes() -> None:
    """Otherwise nginx does not start."""
    known = re.findall(
        r"\$((?:route|release|to)_\w+) \{", config.render(dict.fromkeys(PORTS, Route()))
    )
    used = re.findall(r"\$((?:route|release|to)_\w+)", config.static(PORTS))
    assert set(used) == set(known)
    assert len(known) == len(set(known)) == 3 * len(PORTS)


def test_every_duration_has_its_bound() -> None:
    rows = re.findall(r"~\^(\S+) ([\d.]+);", config.static({}).partition("$counted_time {")[2])
    for milliseconds in (*range(11_500), 20_000, 100_000):
        told = f"{milliseconds / 1000:.3f}"
        bound = next((float(one) for pattern, one in rows if re.match(pattern, told)), None)
        assert bound == next((one for one in BUCKETS if milliseconds / 1000 < one), None), told


def test_counts_are_of_one_service_in_one_release() -> None:
    sizes = {
        f"web:{R1}:0.005:ok": 5,
        f"web:{R1}:0.25:error": 2,
        f"web:{R1}:more:ok": 1,
        f"web:{R2}:0.005:ok": 7,
        f"web-api:{R1}:0.005:ok": 9,
        f"web:{R1}1:0.005:ok": 3,
    }
    found = config.counted(sizes, "web", R1)
    assert (found.requests, found.server_errors) == (8, 2)
    assert (found.buckets[0.1], found.buckets[0.25], found.buckets[10.0]) == (5, 7, 7)


@pytest.mark.parametrize("said", ["", "0\n5 web:r:0.005:ok\n", "cannot exec\n"])
def test_no_room_or_no_nginx_is_no_count(tmp_path: Path, said: str) -> None:
    proxy = nginx(tmp_path, stat=(0, said))
    assert asyncio.run(proxy.counters("web", "r")) is None


def test_nothing_was_counted_yet(tmp_path: Path) -> None:
    proxy = nginx(tmp_path, stat=(0, "100\nstat: cannot stat '*': No such file\n"))
    found = asyncio.run(proxy.counters("web", R1))
    assert found and found.requests == 0


def test_routes_nginx_refuses_are_not_written(tmp_path: Path) -> None:
    proxy = nginx(tmp_path, nginx=(1, "nginx: [emerg] no"))
    proxy.container()
    with pytest.raises(TemporaryError, match=r"\[emerg\] no"):
        asyncio.run(proxy.point("web", R1, [OLD]))
    assert asyncio.run(proxy.observe()) == {}


def test_an_unknown_name_changes_nothing(tmp_path: Path) -> None:
    proxy = nginx(tmp_path, getent=(2, ""))
    proxy.container()
    with pytest.raises(TemporaryError, match="has no IP"):
        asyncio.run(proxy.point("web", R1, [OLD]))
    assert asyncio.run(proxy.observe()) == {}


def test_a_service_that_is_gone_keeps_its_route_until_nginx_reads_its_files(tmp_path: Path) -> None:
    """nginx.conf still uses it if nginx is started again before that."""
    proxy = nginx(tmp_path)
    proxy.container()
    (tmp_path / "routes.conf").write_text(config.render({"gone": Route(release=R1)}))
    (tmp_path / "leaving").touch()
    proxy.container()
    assert set(config.parse((tmp_path / "routes.conf").read_text())) == {"gone", *PORTS}
    assert not (tmp_path / "leaving").exists()


def test_describe_touches_nothing(tmp_path: Path) -> None:
    proxy = nginx(tmp_path / "none")
    told = proxy.describe("web", Release(id=R1, commit="0" * 40))[0].what
    assert R1 in told and "nginx -s reload" in told
    assert "nobody" in proxy.describe("web", None)[0].what
    assert not (tmp_path / "none").exists()

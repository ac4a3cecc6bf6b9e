"""The portal behind each of the other proxies: chosen in gonogo.yml, and exchanged.

Its watch reads the numbers of the proxy: without any it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .engine import docker
from .portal import WATCH, make_portal
from .released import Released

RATE = 20.0
CHOSEN = "    engine: {{compose: {{proxy: {}}}}}\n" + WATCH.rstrip()
PLAIN = "    engine: compose                      # compose.yml, as it is"


@pytest.fixture(params=["nginx", "traefik"])
def proxy(request: pytest.FixtureRequest) -> str:
    """Its name in gonogo.yml."""
    return str(request.param)


@pytest.fixture
def portal(proxy: str, images: None, tmp_path: Path) -> Iterator[Released]:
    """The portal with that proxy, release 1 deployed."""
    made = make_portal(tmp_path / "portal")
    one = Released(made)
    try:
        one.change("gonogo.yml", PLAIN, CHOSEN.format(proxy))
        ended = one.run("deploy", "production", "--no-wait")
        assert ended.code == 0, ended.output
        yield one
    finally:
        made.remove()


def test_a_release_behind_another_proxy_and_its_exchange(proxy: str, portal: Released) -> None:
    portal.change("Dockerfile", "RUN python build.py", "RUN python build.py && true")
    failures = _update(portal)
    # nginx closes kept connections when it reloads: the more of them rest, the likelier one is hit.
    hit = [one for one in failures if one["connection"] == "kept"]
    assert failures == (hit[:2] if proxy == "nginx" else [])

    lines = (portal.portal / "gonogo.yml").read_text().splitlines()
    portal.change("gonogo.yml", next(one for one in lines if "proxy:" in one), PLAIN)
    times = [one["time"] for one in _update(portal)]
    print(f"{proxy} to haproxy: {len(times)} failed in {max(times) - min(times):.1f} s")
    assert max(times) - min(times) < 15
    image = docker("inspect", "--format", "{{.Config.Image}}", f"{portal.project}-gonogo-proxy")
    assert image == "haproxy:2.6"


def _update(portal: Released) -> list[dict[str, Any]]:
    """Release what is committed; the requests that failed meanwhile."""
    before = _version(portal)
    traffic = portal.traffic(RATE)
    try:
        ended = portal.run("update", "production", "--no-wait")
        seen = traffic.stop()
    finally:
        traffic.kill()
    assert ended.code == 0, ended.output
    assert _version(portal) != before
    failures: list[dict[str, Any]] = seen["failures"]
    return failures


def _version(portal: Released) -> str:
    version: str = httpx.get(f"{portal.backend}/version").json()["version"]
    return version

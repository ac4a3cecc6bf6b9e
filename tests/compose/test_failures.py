"""What breaks in the middle of an update: the old release serves, and a way out ends clean."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from .engine import Daemon, docker
from .released import Released

STARTS = 0.5
PARTIAL = 5


@pytest.fixture
def unharmed(portal: Released) -> Iterator[str]:
    """The release that serves before, and afterwards still, alone and through the same ports."""
    release, instances = portal.live(), portal.instances()
    yield release
    assert portal.live() == release
    assert portal.instances() == instances


def test_a_new_container_that_runs_out_of_memory(portal: Released, unharmed: str) -> None:
    eats = "[python, -c, 'import time; kept = [bytearray(1 << 20) for _ in range(200)]']"
    portal.change("compose.yml", "command: [python, -m, portal.worker]", f"command: {eats}")
    portal.change("compose.yml", "  worker:\n", "  worker:\n    mem_limit: 40m\n")
    ended = portal.run("update", "production", "--no-wait")
    portal.git("reset", "--quiet", "--hard", "HEAD~2")
    assert ended.code == 4, ended.output
    assert "out of memory" in ended.output, ended.output


def test_a_new_container_that_somebody_kills(portal: Released, unharmed: str) -> None:
    portal.commit("killed")
    process = portal.start("update", "production", "--no-wait")
    name = _new_container(portal, "backend", process)
    docker("kill", name)
    output = process.communicate()[0]
    assert process.returncode == 4, output
    assert "backend--" in output


def test_the_proxy_is_gone_when_an_update_begins(portal: Released) -> None:
    docker("kill", f"{portal.project}-gonogo-proxy")
    portal.commit("no proxy")
    ended = portal.run("update", "production", "--no-wait")
    assert ended.code == 0, ended.output
    assert portal.live() in ended.output


def test_the_proxy_dies_before_the_switch(portal: Released, unharmed: str) -> None:
    portal.commit("proxy dies")
    process = portal.start("update", "production", "--no-wait")
    _new_container(portal, "backend", process)
    docker("kill", f"{portal.project}-gonogo-proxy")
    output = process.communicate()[0]
    assert process.returncode in (1, 4, 5), output
    ended = portal.run("start", "production")
    assert ended.code == 0, ended.output


def test_an_old_container_that_crashed_is_replaced_and_not_started_again(portal: Released) -> None:
    old = f"{portal.project}-worker--{portal.live()}--1"
    docker("kill", old)
    portal.commit("crashed")
    ended = portal.run("update", "production", "--no-wait")
    assert ended.code == 0, ended.output
    assert len(portal.instances()) == 3
    assert not any(one in old for one in portal.instances())


def test_a_worker_gets_all_of_its_grace(portal: Released) -> None:
    """Kamal's 10 seconds kill a job of 12; the compose file says 15."""
    finish = "lambda *_: (time.sleep(12), print('job done'), exit())"
    job = f"import signal, time; signal.signal(15, {finish})"
    portal.change(
        "compose.yml",
        "command: [python, -m, portal.worker]",
        f'command: [python, -c, "{job}; time.sleep(9999)"]',
    )
    assert portal.run("update", "production", "--no-wait").code == 0
    portal.git("revert", "--no-edit", "HEAD")
    ended = portal.run("update", "production", "--no-wait")
    assert ended.code == 0, ended.output
    told = portal.run("logs", "worker", "-e", "production", "--since", "10m").output
    assert "job done" in told, told


@pytest.mark.parametrize("after", [1.5, 6.0, 12.0])
def test_ctrl_c_then_abort(portal: Released, unharmed: str, after: float) -> None:
    portal.commit(f"stopped after {after}")
    process = portal.start("update", "production", "--no-wait")
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    output = process.communicate()[0]
    assert process.returncode != 0, output
    assert "Traceback" not in output
    ended = portal.run("abort", "last", "production")
    assert ended.code in (1, 4, 7), ended.output


def test_docker_is_stopped_in_the_middle(
    portal: Released, unharmed: str, daemon: Daemon | None, missing: Callable[[str], None]
) -> None:
    if daemon is None:
        missing("an engine that the tests may stop")
    assert daemon is not None
    inside = _inside(portal)
    portal.commit("no docker")
    process = portal.start("update", "production", "--no-wait")
    _new_container(portal, "backend", process)
    daemon.stop()
    try:
        assert httpx.get(f"{inside}/version").json()["version"] == unharmed
        output = process.communicate()[0]
        assert httpx.get(f"{inside}/version").json()["version"] == unharmed
    finally:
        daemon.start()
    assert "docker does not answer" in output
    assert "Traceback" not in output
    assert process.returncode == PARTIAL, output
    assert "undo:launch:backend" in output  # what was not undone is named
    ended = portal.run("cleanup", "production", "--yes")
    assert ended.code == 0, ended.output


def test_a_full_disk_is_refused_before_anything_is_touched(
    portal: Released, unharmed: str, tmp_path: Path
) -> None:
    target, kept = portal.portal / ".gonogo/target/production", tmp_path / "kept"
    portal.commit("full")
    subprocess.run(["cp", "-a", target, kept], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", target], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", target], check=True)
        ended = portal.run("update", "production", "--no-wait")
    finally:
        subprocess.run(["umount", target], check=True)
    assert ended.code == 3, ended.output
    assert "no-go at disk" in ended.output
    assert "gonogo cleanup" in ended.output


def _new_container(portal: Released, service: str, process: subprocess.Popen[str]) -> str:
    """The name of the container that an update starts, as soon as it runs."""
    before = portal.live()
    while process.poll() is None:
        for name, one in portal.containers().items():
            new = name.startswith(f"{service}--") and f"--{before}--" not in name
            if new and one["State"]["Status"] == "running":
                return f"{portal.project}-{name}"
        time.sleep(STARTS)
    raise AssertionError(f"it ended before: {process.communicate()[0]}")


def _inside(portal: Released) -> str:
    """Where the proxy is reached without docker's own forwarding, which ends with the engine."""
    proxy = portal.containers()["gonogo-proxy"]
    networks = proxy["NetworkSettings"]["Networks"].values()
    return f"http://{next(iter(networks))['IPAddress']}:4000"

"""The portal's releases on Docker Compose, by its ordinary compose file.

The tests build on one another: one portal is deployed once, and every test leaves it served.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from acceptance.proof import write_results

from .engine import docker
from .portal import WATCH, make_portal
from .released import Released

REQUESTS = int(os.environ.get("GONOGO_PROOF_REQUESTS") or 2_000)
RATE = float(os.environ.get("GONOGO_PROOF_RATE") or 60)
UPDATES = 10 if REQUESTS >= 100_000 else 2
KILLS = 3


def none_failed(seen: dict[str, Any]) -> bool:
    """Whether every request was answered well; if not, how and when they failed is printed."""
    how = Counter((one["error"], one["connection"]) for one in seen["failures"])
    when = sorted(one["time"] for one in seen["failures"])
    print(f"{seen['failed']} of {seen['requests']} failed: {how}, from {when[:1]} to {when[-1:]}")
    return bool(seen["failed"] == 0)


def update(portal: Released, ref: str, code: int = 0) -> str:
    portal.release(ref)
    ended = portal.run("update", "production", "--no-wait")
    assert ended.code == code, ended.output
    return ended.output


def test_deploy_takes_over_the_ports_and_edits_no_file(portal: Released) -> None:
    containers = portal.containers()
    day = portal.live()
    assert portal.instances() == [f"{one}--{day}--1" for one in ("backend", "frontend", "worker")]
    assert set(containers) - set(portal.instances()) == {"gonogo-proxy", "postgres-1", "redis-1"}
    assert httpx.get(f"{portal.frontend}/_health").status_code == 200
    assert portal.git("status", "--porcelain") == ""


def test_no_request_fails_in_updates_and_the_database_is_left_alone(portal: Released) -> None:
    before = portal.containers()["postgres-1"]
    traffic = portal.traffic(RATE)
    try:
        updates = 0
        while updates < UPDATES or traffic.requests < REQUESTS:
            update(portal, "v1" if updates % 2 else "v2")
            updates += 1
        seen = traffic.stop()
    finally:
        traffic.kill()
    kept = ("requests", "failed", "not_sent", "seconds", "p95_ms", "max_ms")
    figures = {"updates": updates, **{name: seen[name] for name in kept}}
    write_results("compose_zero_failures", figures)
    assert none_failed(seen)
    assert seen["not_sent"] == 0
    after = portal.containers()["postgres-1"]
    assert (after["Id"], after["State"]["StartedAt"]) == (
        before["Id"],
        before["State"]["StartedAt"],
    )
    assert len(portal.instances()) == 3


def test_a_watch_decides_from_what_the_proxy_counted(portal: Released) -> None:
    path = portal.portal / "gonogo.yml"
    path.write_text(path.read_text() + WATCH)
    portal.commit("watched")
    traffic = portal.traffic(20)
    try:
        ended = portal.run("update", "production", "--no-wait")
    finally:
        traffic.kill()
    assert ended.code == 0, ended.output
    assert "error_rate is 0 %, no-go if > 5 %" in ended.output


def test_a_restarted_proxy_and_engine_come_back_with_the_same_routes(portal: Released) -> None:
    release = portal.live()
    docker("restart", "-t", "1", f"{portal.project}-gonogo-proxy")
    _until_served(portal, release)
    names = [f"{portal.project}-{name}" for name in portal.instances()]
    docker("stop", "-t", "5", *names, timeout=120)
    docker("start", *reversed(names))  # so that addresses change, as after a restart of the engine
    _until_served(portal, release)


def test_a_release_that_never_gets_healthy_is_taken_back(portal: Released) -> None:
    release, before = portal.live(), portal.instances()
    portal.release("v2")
    portal.change("compose.yml", "127.0.0.1:4000/health'", "127.0.0.1:4000/no-such-page'")
    traffic = portal.traffic(20)
    try:
        ended = portal.run("update", "production", "--no-wait")
        seen = traffic.stop()
    finally:
        traffic.kill()
    assert ended.code == 4, ended.output
    assert "unhealthy" in ended.output
    assert (portal.live(), portal.instances()) == (release, before)
    assert none_failed(seen)


def test_a_build_that_fails_touches_nothing(portal: Released) -> None:
    release, before = portal.live(), portal.instances()
    portal.release("v2")
    portal.change("Dockerfile", "RUN python build.py", "RUN python build.py && exit 3")
    ended = portal.run("update", "production", "--no-wait")
    assert ended.code == 1, ended.output
    assert "the build failed" in ended.output
    assert (portal.live(), portal.instances()) == (release, before)


def test_an_update_killed_at_any_time_goes_on(portal: Released) -> None:
    traffic = portal.traffic(20)
    try:
        for number in range(KILLS):
            portal.release("v1" if number % 2 else "v2")
            process = portal.start("update", "production", "--no-wait")
            time.sleep(3 + 4 * number)
            process.send_signal(signal.SIGKILL)
            print(process.communicate()[0])
            ended = portal.run("resume", "last", "production", "--no-wait")
            assert ended.code == 0, ended.output
            assert len(portal.instances()) == 3
        seen = traffic.stop()
    finally:
        traffic.kill()
    assert none_failed(seen)


def test_rollback_goes_back_without_a_failed_request(portal: Released) -> None:
    before = portal.live()
    traffic = portal.traffic(20)
    try:
        ended = portal.run("rollback", "production")
        seen = traffic.stop()
    finally:
        traffic.kill()
    assert ended.code == 0, ended.output
    assert portal.live() != before
    assert len(portal.instances()) == 3
    assert none_failed(seen)


def test_images_that_are_gone_are_built_again_from_their_commit(portal: Released) -> None:
    update(portal, "v2")
    before = portal.live()
    folder = portal.portal / ".gonogo/target/production/releases"
    manifests = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    assert all("sha256:" in one["contents"]["image backend"] for one in manifests)
    good = [one["release"]["id"] for one in manifests if one["good"]]
    earlier = next(release for release in good if release != before)
    docker("image", "rm", f"{portal.project}-backend:{earlier}")
    ended = portal.run("rollback", "production", "--to", earlier, "--images")
    assert "without --images it is built again from commit" in ended.output, ended.output
    assert portal.live() == before
    ended = portal.run("rollback", "production", "--to", earlier)
    assert ended.code == 0, ended.output
    assert f"built {earlier}" in ended.output
    assert portal.live() == earlier


def test_what_docker_compose_started_itself_is_named(tmp_path: Path, images: None) -> None:
    made = make_portal(tmp_path / "portal")
    one = Released(made)
    try:
        made.compose("up", "--detach", "--build", "--wait")
        ended = one.run("deploy", "production")
        assert ended.code == 3, ended.output
        assert f"docker compose -p {one.project} rm --stop --force backend" in ended.output
        assert "backend-1" in one.containers()
    finally:
        made.remove()


def test_stop_keeps_the_database_and_start_brings_all_back(portal: Released) -> None:
    release = portal.live()
    assert portal.run("stop", "production").code == 0
    assert sorted(portal.containers()) == ["postgres-1", "redis-1"]
    ended = portal.run("start", "production")
    assert ended.code == 0, ended.output
    _until_served(portal, release)


def _until_served(portal: Released, release: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if portal.live() == release:
                return
        except (httpx.HTTPError, ValueError, KeyError):
            pass
        assert time.monotonic() < deadline, f"{release} does not serve"
        time.sleep(0.2)

"""Trouble on the portal in containers: what doctor and logs tell of it, and what init writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .engine import docker
from .portal import Portal, make_portal
from .released import Ended, Released

SECRET = "change-me-change-me-change-me-change-me"


def expect(code: int, ended: Ended) -> str:
    assert ended.code == code, ended.output
    return ended.output


def doctor(portal: Released, code: int) -> dict[str, dict[str, Any]]:
    """What it finds, by what it is about."""
    answer = json.loads(expect(code, portal.run("doctor", "production", "--json")))
    return {one["about"].removeprefix(f"{portal.project}-"): one for one in answer["findings"]}


def update(portal: Released) -> None:
    """The same commit again, as a release of its own."""
    customers = portal.traffic(20)
    try:
        expect(0, portal.run("update", "production", "--no-wait"))
    finally:
        customers.kill()


def worker(portal: Released) -> str:
    [name] = [one for one in portal.instances() if one.startswith("worker--")]
    return name


def in_worker(portal: Released, program: str) -> None:
    docker("exec", f"{portal.project}-{worker(portal)}", "python", "-c", program)


def test_what_init_writes_for_the_example_works_without_edits(
    images: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made: Portal = make_portal(tmp_path_factory.mktemp("init") / "portal")
    one, before = Released(made), (made.folder / "compose.yml").read_bytes()
    (made.folder / "gonogo.yml").unlink()
    expect(0, one.run("init"))
    one.change("gonogo.yml", "app: portal", "app: portal")
    expect(0, one.run("check"))
    assert "gonogo deploy production" in expect(0, one.run("plan", "deploy"))
    assert (made.folder / "compose.yml").read_bytes() == before


def test_all_is_well(portal: Released) -> None:
    expect(0, portal.run("backup", "create", "production"))
    found = doctor(portal, 0)
    assert "warning" not in {one["state"] for one in found.values()}, found
    assert "connections" in found["postgres"]["seen"]
    assert found["redis"]["seen"].startswith("Redis 7")
    assert found["migrations"]["seen"] == "none pending"
    assert "applied 0001_initial" in found["migrations"]["lines"][0]
    assert {"traffic of backend", "traffic of frontend", "disk", "schema"} <= set(found)


def test_what_is_broken_is_told_with_its_last_lines_and_what_to_type(portal: Released) -> None:
    docker("stop", "-t", "1", f"{portal.project}-redis-1")
    in_worker(portal, "import os; os.kill(1, 15)")
    docker("wait", f"{portal.project}-redis-1")
    found = doctor(portal, 3)
    assert found["redis-1"]["state"] == "problem"
    assert found["redis-1"]["next"] == "gonogo start production"
    assert any("bye bye" in line for line in found["redis-1"]["lines"])
    assert "restarted" in found[worker(portal)]["seen"]
    states = {one["service"]: one["detail"] for one in portal.status()["instances"]}
    assert "restarted" in states["worker"]
    expect(0, portal.run("start", "production"))
    assert doctor(portal, 0)["redis"]["state"] == "ok"


def test_without_an_engine_it_says_so_and_looks_at_the_rest(
    portal: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    found = doctor(portal, 3)
    assert (found["docker"]["state"], found["docker"]["seen"]) == (
        "problem",
        "docker does not answer",
    )
    assert found["services"]["state"] == "unknown"
    assert found["lock"]["state"] == found["disk of the project"]["state"] == "ok"


def test_logs_of_two_releases_without_secrets_that_have_changed(portal: Released) -> None:
    said = f"import sys; open('/proc/1/fd/2', 'w').write('ERROR order 17: {SECRET}\\n')"
    in_worker(portal, said)
    old = worker(portal)
    path = portal.portal / ".env"
    path.write_text(path.read_text().replace(SECRET, "quite-another-secret-of-the-portal"))
    shown = expect(0, portal.run("logs", "worker", "-e", "production", "--level", "error"))
    assert f"{old} | ERROR order 17: •••\n" in shown
    update(portal)
    assert SECRET not in (portal.portal / f".gonogo/target/production/logs/{old}.log").read_text()
    since = ("--since", "10m", "--level", "error")
    assert f"{old} | " in expect(0, portal.run("logs", "worker", "-e", "production", *since))
    summary = expect(0, portal.run("logs", "worker", "-e", "production", "--summary", "--json"))
    [row] = json.loads(summary)["services"]
    assert row["before"]["messages"]["order #: •••"] == 1
    assert (row["after"]["errors"], row["after"]["cut"]) == (0, False)

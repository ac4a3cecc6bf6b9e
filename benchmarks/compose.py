"""Compare updates on Docker Compose: gonogo, the same by hand, and plain `docker compose up`.

The example portal (three services that are released, PostgreSQL, Redis) runs three times side by
side on one engine. Each round commits a change and brings it live in each way:

- gonogo: `gonogo update`, without a watch, a database copy and a drain, which the others lack;
- by hand: `docker compose build`, the new containers started beside the old, their health waited
  for, the old ones stopped with their grace and removed (what moves traffic is left out);
- compose: `docker compose up -d --build`.

First the times, without load; then failed requests of gonogo and compose, under load. Half of the
requests are on new connections, half on kept ones, 30 % are POST. At last rollbacks: how long from
the command until the earlier release answers users, beside the time its container took to be
healthy.

    python -m benchmarks.compose --rounds 5

The results go to ``results/compose.json`` and ``results/compose.md``. Docker has to answer, or the
script is root and starts an engine as the tests do.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.compose.engine import docker, engine
from tests.compose.portal import make_portal
from tests.compose.released import Released
from tests.compose.standins import provide

HERE = Path(__file__).resolve().parent
SERVICES = ("backend", "frontend", "worker")
GRACE = 15
POLL = 0.1
RATE = 60.0
HEALTHY = re.compile(r"healthy in (\d+\.\d) s")
LEFT_OUT = {
    "      backend: {port: 4000, version: /version, drain: 3s}": (
        "      backend: {port: 4000, version: /version, drain: 0s}"
    ),
    "      frontend: {port: 3000, version: /version, drain: 3s}": (
        "      frontend: {port: 3000, version: /version, drain: 0s}"
    ),
}
"""Lines of the portal's gonogo.yml that cost time which the other ways do not spend."""

Way = Callable[[Released], None]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with engine(), tempfile.TemporaryDirectory() as folder:
        provide()
        about = {
            "rounds": rounds,
            "docker": docker("version", "--format", "{{.Server.Version}}"),
            "compose": docker("compose", "version", "--short"),
            "python": platform.python_version(),
            "results": measure(Path(folder), rounds),
        }
    (HERE / "results/compose.json").write_text(json.dumps(about, indent=2) + "\n")
    (HERE / "results/compose.md").write_text(table(about))
    print(table(about))


def measure(folder: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """The figures of each way."""
    with site(folder / "gonogo") as ours, site(folder / "hand") as hand, site(folder / "up") as up:
        bare(ours)
        ways: dict[str, tuple[Released, Way]] = {
            "gonogo update": (ours, with_gonogo),
            "by hand": (hand, by_hand),
            "docker compose up -d --build": (up, with_compose),
        }
        first(ours, hand, up)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            for name, (portal, way) in ways.items():
                times[name].append(took(portal, way, number))
        results: dict[str, dict[str, Any]] = {
            name: {"seconds": [round(one, 2) for one in each]} for name, each in times.items()
        }
        for name in ("gonogo update", "docker compose up -d --build"):
            results[name] |= under_load(*ways[name], rounds)
        results["gonogo rollback"] = rollbacks(ours, rounds)
    return results


@contextmanager
def site(folder: Path) -> Iterator[Released]:
    """A portal that leaves nothing behind."""
    made = make_portal(folder)
    try:
        yield Released(made)
    finally:
        made.remove()


def bare(portal: Released) -> None:
    """Leave out what the other ways do not do."""
    path = portal.portal / "gonogo.yml"
    text = path.read_text()
    head, production = text.split("  production:\n")
    for old, new in LEFT_OUT.items():
        assert old in production
        production = production.replace(old, new)
    production = production[: production.index("    database:\n")]
    path.write_text(f"{head}  production:\n{production}")
    commit(portal, "bare")


def first(ours: Released, *others: Released) -> None:
    """Bring the portals up, each in its own way; the tables are made by its own command."""
    for portal in (ours, *others):
        portal.site.compose("up", "--detach", "--wait", "postgres", "redis")
        portal.site.compose("build")
        portal.site.compose("run", "--rm", "backend", "python", "-m", "portal.migrate", "--seed")
    for portal in others:
        portal.site.compose("up", "--detach", "--build", "--wait")
    ended = ours.run("deploy", "production", "--no-wait")
    assert ended.code == 0, ended.output


def commit(portal: Released, text: str) -> None:
    """A new commit that changes a file of the application."""
    (portal.portal / "round.txt").write_text(text)
    portal.git("add", "--all")
    portal.git("commit", "-qm", text)


def took(portal: Released, way: Way, number: int) -> float:
    """Seconds that a way needs for a new commit."""
    commit(portal, f"{number} {time.time()}")
    begun = time.monotonic()
    way(portal)
    return time.monotonic() - begun


def with_gonogo(portal: Released) -> None:
    ended = portal.run("update", "production", "--no-wait")
    assert ended.code == 0, ended.output


def with_compose(portal: Released) -> None:
    portal.site.compose("up", "--detach", "--build")


def by_hand(portal: Released) -> None:
    """The same build, start, health and stop."""
    portal.site.compose("build")
    old = [
        one["Id"]
        for one in portal.containers().values()
        if one["Config"]["Labels"]["com.docker.compose.service"] in SERVICES
    ]
    new = [
        portal.site.compose("run", "--detach", "--no-deps", service).splitlines()[-1].strip()
        for service in SERVICES
    ]
    while not all(map(healthy, new)):
        time.sleep(POLL)
    docker("stop", "-t", GRACE, *old, timeout=120)
    docker("rm", *old)


def healthy(container: str) -> bool:
    """What its health check says; one without is up when it runs."""
    form = "{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
    return docker("inspect", "--format", form, container) in ("healthy", "running")


def under_load(portal: Released, way: Way, rounds: int) -> dict[str, Any]:
    """What customers notice."""
    traffic = portal.traffic(RATE)
    try:
        for number in range(rounds):
            took(portal, way, number)
            time.sleep(2)
        seen = traffic.stop()
    finally:
        traffic.kill()
    return {name: seen[name] for name in ("requests", "failed", "p95_ms", "max_ms")}


def rollbacks(portal: Released, rounds: int) -> dict[str, Any]:
    """Seconds until the earlier release serves, and of these until its container was healthy."""
    seconds, health = [], []
    traffic = portal.traffic(RATE)
    try:
        for number in range(rounds):
            took(portal, with_gonogo, number)
            before = portal.live()
            begun = time.monotonic()
            process = portal.start("rollback", "production")
            while portal.live() == before:
                time.sleep(POLL / 2)
            seconds.append(round(time.monotonic() - begun, 2))
            output, _ = process.communicate()
            assert process.returncode == 0, output
            health.append(max(map(float, HEALTHY.findall(output))))
        seen = traffic.stop()
    finally:
        traffic.kill()
    load = {name: seen[name] for name in ("requests", "failed", "p95_ms", "max_ms")}
    return {"seconds": seconds, "healthy_after": health, **load}


def table(about: dict[str, Any]) -> str:
    """The results as a page."""
    results = about["results"]
    hand = statistics.median(results["by hand"]["seconds"])
    lines = [
        "# An update of the example portal on Docker Compose",
        "",
        f"Three services released beside PostgreSQL and Redis; {about['rounds']} rounds in turn on "
        f"one engine (Docker {about['docker']}, Compose {about['compose']}, Python "
        f"{about['python']}). Times without load, requests at {RATE:.0f} a second.",
        "",
        "| Way | Median, s | Slowest, s | times by hand | Requests | Failed | p95, ms |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for name, one in results.items():
        median = statistics.median(one["seconds"])
        load = " | ".join(str(one.get(key, "-")) for key in ("requests", "failed", "p95_ms"))
        figures = f"{median:.1f} | {max(one['seconds']):.1f} | {median / hand:.2f}"
        lines.append(f"| {name} | {figures} | {load} |")
    back = results["gonogo rollback"]
    pairs = zip(back["seconds"], back["healthy_after"], strict=True)
    beyond = [served - healthy for served, healthy in pairs]
    lines += [
        "",
        "For the rollback the times are those until the earlier release answers users: "
        f"{statistics.median(beyond):.1f} s at the median, {max(beyond):.1f} s at most, more than "
        "its containers took to be healthy.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

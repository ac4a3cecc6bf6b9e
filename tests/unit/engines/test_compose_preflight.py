"""What stands in the way of a rollout, with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gonogo.engines._compose_preflight import objections, places
from gonogo.engines.compose_foundation import version
from gonogo.model.configuration import Duration, Service, Watch

HEALTHY = {"test": ["CMD", "true"], "interval": "2s", "retries": 5, "start_period": "20s"}
GOOD = {
    "build": {"context": "."},
    "healthcheck": HEALTHY,
    "ports": [{"target": 4000, "published": "4000"}],
}
FILE = """\
services:
  backend:
    image: postgres:15
    network_mode: host
    healthcheck:
      interval: 2s
    ports:
      - 4000:4000
"""


def found(service: dict[str, Any], *, watch: str = "5m", **settings: Any) -> list[str]:
    model = {"name": "p", "services": {"backend": service, "db": {"image": "postgres:15"}}}
    services = {"backend": Service(**{"port": 4000, **settings})}
    made = objections(model, services, Watch(length=Duration(watch)), lambda *keys: "/".join(keys))
    return [f"{one.where}: {one.text}" for one in made]


def test_an_ordinary_service_has_none() -> None:
    assert found(GOOD) == []
    assert found({**GOOD, "container_name": "fixed"}) == []  # the proxy's file takes it over


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"healthcheck": None}, "services/backend: backend has no health check"),
        ({"healthcheck": {"test": ["NONE"], "disable": True}}, "has no health check"),
        (
            {"ports": [{"target": 4000, "published": "80"}, {"target": 9, "published": "9"}]},
            "services/backend/ports: backend publishes port 9, which old and new cannot share",
        ),
        ({"network_mode": "host"}, "services/backend/network_mode: backend has network_mode host"),
        ({"networks": {"n": {"ipv4_address": "10.0.0.2"}}}, "backend has a fixed address in n"),
        ({"image": "registry.example.com/library/postgres:15"}, "backend keeps data"),
        (
            {"healthcheck": {**HEALTHY, "start_period": "2m"}},
            "the health check of backend may take 130 s to fail, and gonogo waits only 60s",
        ),
    ],
)
def test_each_is_told_with_its_place(change: dict[str, Any], told: str) -> None:
    assert len(found({**GOOD, **change})) == 1
    assert told in found({**GOOD, **change})[0]


def test_a_watch_that_ends_before_the_health_check_can_fail_proves_nothing() -> None:
    assert found(GOOD, watch="10s") == []
    assert "the watch of 5s is shorter than the 10 s" in found(GOOD, watch="5s")[0]


def test_a_worker_needs_no_health_check() -> None:
    assert found({"build": {}}, port=None) == []


def test_a_service_that_the_files_do_not_have() -> None:
    made = objections({"services": {"a": {}}}, {"b": Service()}, None, lambda *keys: "")
    assert [(one.text, one.mend) for one in made] == [
        ("gonogo.yml releases b, and the compose files have no such service", "name one of: a")
    ]


def test_the_line_is_the_one_of_the_last_file_that_has_the_key(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(FILE)
    (tmp_path / "more.yml").write_text("services:\n  backend:\n    healthcheck: {disable: true}\n")
    place = places([tmp_path / "compose.yml", tmp_path / "more.yml"], tmp_path)
    assert place("services", "backend", "ports") == "compose.yml:7:5"
    assert place("services", "backend", "healthcheck") == "more.yml:3:5"
    assert place("services", "backend", "networks", "n") == "more.yml:2:3"
    assert place("nothing") == ""


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("v2.26.1-4\n", (2, 26)), ("26.1.5+dfsg1", (26, 1)), ("20.10.24", (20, 10)), ("", ())],
)
def test_versions(text: str, numbers: tuple[int, ...]) -> None:
    assert version(text) == numbers

"""What is derived from a team's compose model."""

from __future__ import annotations

from typing import Any

import pytest

from gonogo.engines import _compose_file as file
from gonogo.model.errors import PermanentError

MODEL: dict[str, Any] = {
    "name": "portal",
    "networks": {
        "default": {"name": "portal_default", "ipam": {}},
        "inner": {"name": "portal_inner", "internal": True},
    },
    "services": {
        "backend": {
            "build": {"context": "/r", "dockerfile": "Dockerfile", "labels": {"team": "a"}},
            "command": ["serve"],
            "container_name": "the-backend",
            "depends_on": {"db": {"condition": "service_healthy"}},
            "deploy": {"replicas": 3, "resources": {"limits": {"memory": "1g"}}},
            "environment": {"A": "p$$q", "B": None},
            "healthcheck": {"test": ["CMD", "true"]},
            "labels": {"team": "a"},
            "networks": {"default": None, "inner": {"aliases": ["api"]}},
            "ports": [
                {"target": 4000, "published": "8080", "host_ip": "127.0.0.1", "protocol": "tcp"},
                {"target": 9229, "published": "9229", "protocol": "tcp"},
            ],
            "stop_grace_period": "1m30s",
            "volumes": [{"type": "volume", "source": "files", "target": "/files"}],
        },
        "db": {"image": "postgres:15", "networks": {"inner": None}},
    },
    "volumes": {"files": {"name": "portal_files"}},
    "secrets": {"key": {"file": "/r/key"}},
}


def part(**changes: Any) -> file.Part:
    values: dict[str, Any] = {
        "service": "backend",
        "release": "2026-12-01.1",
        "number": 2,
        "image": "portal-backend:2026-12-01.1",
        "port": 4000,
        "grace": 90.0,
        "variables": ("RELEASE_VERSION",),
    }
    return file.Part(**{**values, **changes})


def test_an_instance_has_nothing_that_two_containers_cannot_share() -> None:
    made = file.release_file(MODEL, part())
    assert list(made["services"]) == ["backend--2026-12-01.1--2"]
    service = made["services"]["backend--2026-12-01.1--2"]
    assert not {"ports", "depends_on", "build", "scale", "profiles", "links"} & set(service)
    assert service["container_name"] == "portal-backend--2026-12-01.1--2"
    assert service["deploy"] == {"resources": {"limits": {"memory": "1g"}}}
    assert service["networks"] == {"default": None, "inner": None}  # aliases go to the proxy
    assert service["stop_grace_period"] == "90s"
    assert service["image"] == "portal-backend:2026-12-01.1"
    assert service["pull_policy"] == "never"
    assert service["volumes"] == MODEL["services"]["backend"]["volumes"]


def test_the_labels_are_the_identity() -> None:
    service = file.release_file(MODEL, part())["services"][part().key]
    assert service["labels"] == {
        "team": "a",
        "gonogo.project": "portal",
        "gonogo.service": "backend",
        "gonogo.release": "2026-12-01.1",
        "gonogo.number": "2",
        "gonogo.variant": "",
        "gonogo.port": "4000",
        "gonogo.grace": "90",
    }


def test_values_of_ours_are_named_in_the_file_and_given_beside_it() -> None:
    service = file.release_file(MODEL, part())["services"][part().key]
    assert service["environment"] == {
        "A": "p$$q",
        "B": None,
        "RELEASE_VERSION": "${RELEASE_VERSION}",
    }


def test_networks_are_there_already_and_volumes_keep_their_names() -> None:
    made = file.release_file(MODEL, part())
    assert made["networks"] == {
        "default": {"name": "portal_default", "external": True},
        "inner": {"name": "portal_inner", "external": True},
    }
    assert made["volumes"] == MODEL["volumes"]
    assert made["secrets"] == MODEL["secrets"]


def test_a_team_that_wants_no_restart_gets_one_and_its_own_is_kept() -> None:
    assert file.release_file(MODEL, part())["services"][part().key]["restart"] == "unless-stopped"
    model = {**MODEL, "services": {"backend": {"restart": "always"}}}
    model["networks"] = {"default": {"name": "portal_default"}}
    assert file.release_file(model, part())["services"][part().key]["restart"] == "always"


def test_one_command_runs_without_health_check_and_is_not_restarted() -> None:
    service = file.once_file(MODEL, part(number=0), "once--x")["services"]["once--x"]
    assert "healthcheck" not in service
    assert service["restart"] == "no"
    assert "labels" not in service or "gonogo.number" not in service["labels"]


def test_the_build_goes_under_the_releases_tag() -> None:
    made = file.build_file(MODEL, {"backend": "portal-backend:1"}, {"gonogo.release": "1"})
    assert made["services"] == {
        "backend": {
            "build": {
                "context": "/r",
                "dockerfile": "Dockerfile",
                "labels": {"team": "a", "gonogo.release": "1"},
            },
            "image": "portal-backend:1",
        }
    }
    assert made["secrets"] == MODEL["secrets"]


def test_the_proxy_takes_over_ports_and_names() -> None:
    made = file.proxy_file(MODEL, {"image": "haproxy:2.6"}, {"backend": 4000})
    service = made["services"]["gonogo-proxy"]
    assert service["ports"] == [MODEL["services"]["backend"]["ports"][0]]
    assert service["networks"] == {
        "default": {"aliases": ["backend"]},
        "inner": {"aliases": ["backend", "api"]},
    }
    assert made["networks"] == MODEL["networks"]  # as the team declares them: it may be the first


def test_what_is_not_released_is_kept() -> None:
    assert file.kept_services(MODEL, ["backend", "gone"]) == ["db"]


@pytest.mark.parametrize(("ours", "grace"), [("10s", 90.0), ("2m", 120.0)])
def test_the_longer_grace_counts(ours: str, grace: float) -> None:
    assert file.grace_of(MODEL, "backend", ours) == grace


def test_the_grace_of_a_service_without_one() -> None:
    assert file.grace_of(MODEL, "db", "10s") == 10.0


def test_where_a_port_is_published() -> None:
    assert file.published(MODEL, "backend", 4000) == "127.0.0.1:8080"
    assert file.published(MODEL, "backend", 9229) == "127.0.0.1:9229"
    assert file.published(MODEL, "db", 5432) == ""


def test_a_service_that_the_files_do_not_have() -> None:
    with pytest.raises(PermanentError, match="no service backnd in the compose files"):
        file.release_file(MODEL, part(service="backnd"))


def test_a_variant_is_another_container_with_its_own_name_and_label() -> None:
    one = part(variant="ab12cd")
    made = file.release_file(MODEL, one)["services"][one.key]
    assert one.key == f"{part().key}.ab12cd"
    assert made["container_name"] == f"{MODEL['name']}-{one.key}"
    assert made["labels"]["gonogo.variant"] == "ab12cd"


def test_who_reads_a_variable_is_seen_in_the_files() -> None:
    model = {
        "services": {
            "named": {"environment": {"FLAG": None}},
            "put-in": {"environment": {"SHOW": "true"}},
            "other": {"environment": {"FLAGS": "x"}},
            "built": {"build": {"args": {"FLAG": "1"}}},
            "baked": {"build": {"target": "on"}},
        }
    }
    raw = {
        "services": {
            "named": {"environment": ["FLAG"]},
            "put-in": {"environment": ["SHOW=${FLAG:-true}"]},
            "other": {"environment": ["FLAGS=${FLAGS}", "TEXT=$$FLAG_"]},
            "built": {"build": {"args": ["FLAG"]}},
            "baked": {"build": {"target": "$FLAG"}},
        }
    }
    found = file.readers(model, raw, "FLAG")
    assert list(found.services) == ["named", "put-in"]
    assert list(found.built) == ["built", "baked"]

"""The maintenance page and its note, and what HAProxy and Traefik read of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gonogo.model.errors import PermanentError
from gonogo.proxies import _haproxy_config, _traefik_config
from gonogo.proxies._maintenance import DEFAULT_PAGE, note, noted, page


def test_the_note_is_there_exactly_during_maintenance(tmp_path: Path) -> None:
    assert noted(tmp_path) == ""
    note(tmp_path, "since noon by aiko: new disks")
    assert noted(tmp_path) == "since noon by aiko: new disks"
    note(tmp_path, "")
    note(tmp_path, "")
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert b"Back soon" in page(DEFAULT_PAGE)
    with pytest.raises(PermanentError, match=r"none\.html cannot be read") as caught:
        page(tmp_path / "none.html")
    assert "maintenance_page" in caught.value.next_step


def test_haproxy_answers_by_a_map_so_that_nothing_is_reloaded() -> None:
    (line,) = (
        one for one in _haproxy_config.static({"web": 80}).splitlines() if "maintenance" in one
    )
    assert "status 503" in line and "hdr Retry-After 120" in line
    assert line.endswith("if { str(on),map(/usr/local/etc/haproxy/maintenance.map) -m found }")


def test_traefik_has_one_route_for_every_port() -> None:
    whole = json.loads(_traefik_config.closed([80, 81, 80]))["http"]
    (router,) = whole["routers"].values()
    assert router["entryPoints"] == ["port-80", "port-81"]
    assert router["priority"] > 1000
    (headers,) = whole["middlewares"].values()
    assert headers["headers"]["customResponseHeaders"]["Retry-After"] == "120"

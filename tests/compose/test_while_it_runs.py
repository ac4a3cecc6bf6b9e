"""What is turned while the portal's containers run: a flag, and the maintenance page."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from .engine import docker
from .portal import make_portal
from .released import Ended, Released

FLAG = "SECURE_COOKIE"


@pytest.fixture(scope="module")
def portal(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """The portal, release 1 deployed."""
    made = make_portal(tmp_path_factory.mktemp("site") / "portal")
    one = Released(made)
    flags = f'flags: {{{FLAG}: {{off: "no"}}, UNREAD: {{}}}}'
    path = one.portal / "gonogo.yml"
    path.write_text(re.sub(r"length: \d+s", "length: 10s", path.read_text()))
    one.change("gonogo.yml", "    engine: compose", f"    {flags}\n    engine: compose")
    try:
        expect(0, one.run("deploy", "production"))
        yield one
    finally:
        made.remove()


def expect(code: int, ended: Ended) -> str:
    assert ended.code == code, ended.output
    return ended.output


def ids(portal: Released) -> dict[str, str]:
    """The containers by the service or part they are, which of a service is one."""
    return {name.partition("--")[0]: one["Id"] for name, one in portal.containers().items()}


def in_force(portal: Released) -> str:
    """The flag in the environment of the backend's container."""
    (name,) = (one for one in portal.containers() if one.startswith("backend--"))
    words: list[str] = portal.containers()[name]["Config"]["Env"]
    return dict(word.split("=", 1) for word in words)[FLAG]


def test_a_flag_starts_only_the_backend_anew_and_no_request_fails(portal: Released) -> None:
    before, count = ids(portal), len(portal.containers())
    traffic = portal.traffic(30)
    try:
        expect(0, portal.run("flags", "set", FLAG, "yes", "production", "--reason", "audit"))
        seen = traffic.stop()
    finally:
        traffic.kill()
    how = Counter((one["error"], one["connection"]) for one in seen["failures"])
    assert (seen["failed"], seen["not_sent"]) == (0, 0), how
    assert seen["requests"] > 100
    after = ids(portal)
    assert {name for name in before if before[name] != after[name]} == {"backend"}
    assert (in_force(portal), len(portal.containers())) == ("yes", count)
    listed = json.loads(portal.run("flags", "list", "production", "--json").output)["flags"]
    assert listed[0]["services"] == ["backend"]
    assert (listed[0]["set"]["by"], listed[0]["set"]["reason"]) == ("tomas", "audit")


def test_a_flag_survives_an_update_and_is_given_back(portal: Released) -> None:
    portal.change("gonogo.yml", "drain: 3s", "drain: 2s")
    traffic = portal.traffic(20)
    try:
        expect(0, portal.run("update", "production", "--no-wait"))
    finally:
        traffic.kill()
    assert in_force(portal) == "yes"
    expect(0, portal.run("flags", "unset", FLAG, "production"))
    assert in_force(portal) == "no"


def test_a_flag_that_nobody_reads_is_refused(portal: Released) -> None:
    said = expect(7, portal.run("flags", "disable", "UNREAD", "production"))
    assert "no service reads UNREAD" in said


def test_maintenance_survives_a_restart_and_a_release_goes_on_behind_it(portal: Released) -> None:
    expect(0, portal.run("maintenance", "on", "production", "--reason", "new disks"))
    answer = closed(portal)
    assert (answer.headers["retry-after"], answer.headers["cache-control"]) == ("120", "no-store")
    assert "Back soon" in answer.text
    assert httpx.post(f"{portal.frontend}/anything").status_code == 503
    assert "by tomas: new disks" in portal.run("status", "production").output

    docker("restart", "-t", "1", f"{portal.project}-gonogo-proxy")
    until_answered(portal)
    closed(portal)

    portal.commit("behind the page")
    told = expect(0, portal.run("update", "production", "--no-wait"))
    assert "users get the maintenance page" in told
    closed(portal)

    expect(0, portal.run("maintenance", "off", "production"))
    live = str(portal.status()["live"]["release"]).split()[0]
    assert httpx.get(f"{portal.backend}/version").json()["version"] == live
    assert portal.status()["maintenance"] == ""


def closed(portal: Released) -> httpx.Response:
    answer = httpx.get(f"{portal.backend}/version")
    assert answer.status_code == 503
    return answer


def until_answered(portal: Released) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            httpx.get(portal.backend)
            return
        except httpx.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.1)

"""The example portal runs in containers by its compose file alone, without gonogo."""

from __future__ import annotations

import json
import time

import httpx

from .portal import Portal

ACCOUNT = {"email": "customer1@example.com", "password": "portal-demo"}


def test_a_customer_signs_in_and_orders(unstarted: Portal) -> None:
    unstarted.compose("up", "--detach", "--build", "--wait")
    migrated = unstarted.compose(
        "exec", "-T", "backend", "python", "-m", "portal.migrate", "--seed"
    )
    assert "added 10 customers" in migrated
    with httpx.Client(base_url=unstarted.frontend, follow_redirects=True, timeout=10) as browser:
        assert "Customer 1" in browser.post("/login", data=ACCOUNT).text
        assert browser.post("/orders", data={"product": "vpn"}).status_code == 200
        deadline = time.monotonic() + 20
        while ">active<" not in browser.get("/dashboard").text:
            assert time.monotonic() < deadline, "the worker did not carry out the order"
            time.sleep(0.2)
    assert httpx.get(f"{unstarted.backend}/health/queues").json()["queue"] == "redis"


def test_the_containers_end_when_asked_to(unstarted: Portal) -> None:
    unstarted.compose("up", "--detach", "--build", "--wait")
    assert unstarted.compose("exec", "-T", "worker", "whoami") == "portal"
    unstarted.compose("stop")
    listed = unstarted.compose("ps", "--all", "--format=json").splitlines()
    ended = {one["Service"]: one["ExitCode"] for one in map(json.loads, listed)}
    assert ended == dict.fromkeys(["frontend", "backend", "worker", "postgres", "redis"], 0)

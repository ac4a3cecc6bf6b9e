"""What docker says of a project, and what is made of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from gonogo.engines.compose_inspector import ComposeInspector
from gonogo.model.diagnosis import Part, State
from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.ports import Completed

LABELS = {
    "com.docker.compose.service": "web--r1--1",
    "gonogo.service": "web",
    "gonogo.release": "r1",
    "gonogo.number": "1",
    "gonogo.variant": "",
}
MODEL = {"services": {"web": {}, "db": {}, "setup": {}, "cache": {}}}


def container(
    name: str, labels: Mapping[str, str], restarts: int = 0, **state: Any
) -> dict[str, Any]:
    whole = {"Status": "running", "ExitCode": 0, "OOMKilled": False, "Error": "", **state}
    return {
        "Name": f"/shop-{name}",
        "RestartCount": restarts,
        "State": whole,
        "Config": {"Labels": dict(labels)},
        "HostConfig": {"Memory": 2**29, "RestartPolicy": {"Name": "no"}},
        "NetworkSettings": {"Networks": {"shop_default": {"IPAddress": "172.18.0.3"}}},
    }


class FakeCompose:
    """Answers of docker by the first word; a text is its output, a number its exit code."""

    name = "shop"
    project = Path("/project")

    def __init__(self, containers: list[dict[str, Any]] | None = None, **answers: Any) -> None:
        self._containers = containers or []
        self._answers = {"version": "26.1.5\n", "compose": "2.26.1-4\n", "stats": "", **answers}

    async def docker(self, *words: str, **_: Any) -> Completed:
        answer = self._answers[words[0]]
        if isinstance(answer, Exception):
            raise answer
        code, text = answer if isinstance(answer, tuple) else (0, answer)
        return Completed(code=code, output=text, stdout=text, seconds=0.0)

    async def model(self, folder: Path, release: str) -> dict[str, Any]:
        answer = self._answers.get("model", MODEL)
        if isinstance(answer, Exception):
            raise answer
        return cast(dict[str, Any], answer)

    async def inspect(self, *filters: str) -> list[dict[str, Any]]:
        return self._containers

    async def local(self) -> bool:
        return bool(self._answers.get("local", True))


def inspector(*arguments: Any, **answers: Any) -> ComposeInspector:
    return ComposeInspector(cast(Any, FakeCompose(*arguments, **answers)), ["web"])


def ground(**answers: Any) -> list[tuple[str, State, str]]:
    found = asyncio.run(inspector(**answers).ground())
    return [(one.about, one.state, one.next) for one in found]


def test_the_ground() -> None:
    assert [state for _, state, _ in ground()] == [State.OK, State.OK]
    down = TemporaryError("docker does not answer", next_step="docker info")
    assert ground(version=down) == [("docker", State.PROBLEM, "docker info")]
    refused = (1, "x\npermission denied while trying to connect")
    [(about, state, next_step)] = ground(version=refused)
    assert (about, state) == ("docker", State.PROBLEM)
    assert "usermod" in next_step
    assert ground(compose=(1, "no such command"))[0][:2] == ("compose", State.PROBLEM)
    assert ground(compose="2.1.0")[0][1:] == (State.PROBLEM, "install compose 2.20 or newer")
    broken = PermanentError("the compose files cannot be read\nservices.web: bad")
    assert ground(model=broken)[1] == ("compose files", State.PROBLEM, "docker compose config")


def parts(*containers: dict[str, Any], **answers: Any) -> dict[str, Part]:
    found = asyncio.run(inspector(list(containers), **answers).parts())
    return {one.name: one for one in found}


def test_an_instance_with_what_it_uses() -> None:
    stats = {"Name": "shop-web--r1--1", "CPUPerc": "1.50%", "MemUsage": "470MiB / 512MiB"}
    found = parts(container("web--r1--1", LABELS, 2), stats=json.dumps(stats))
    web = found["shop-web--r1--1"]
    assert (web.service, web.instance, web.state) == ("web", "web--r1--1", "running")
    assert (web.detail, web.restarts) == ("restarted 2 times", 2)
    assert (web.cpu, web.memory, web.limit) == (1.5, 470 * 2**20, 512 * 2**20)


def test_states() -> None:
    def of(service: str) -> dict[str, str]:
        return {"com.docker.compose.service": service}

    log = [{"Output": "no  route"}]
    found = parts(
        container("db-1", of("db"), Health={"Status": "unhealthy", "Log": log}),
        container("setup-1", of("setup"), Status="exited"),
        container("once", {**of("web"), "com.docker.compose.oneoff": "True"}),
        container("odd-1", of("odd"), Status="exited", ExitCode=137, OOMKilled=True),
        container("new-1", of("new"), Health={"Status": "starting"}),
    )
    seen = {name: (one.state, one.detail) for name, one in found.items()}
    assert seen == {
        "shop-db-1": ("failed", "unhealthy: no route"),
        "shop-setup-1": ("ended", "exit status 0"),
        "shop-odd-1": ("failed", "exited, out of memory"),
        "shop-new-1": ("starting", "starting"),
        "cache": ("missing", "it has no container"),
    }
    assert found["shop-db-1"].look == "docker logs --tail 100 shop-db-1"
    assert found["shop-db-1"].cpu is None


def test_the_address_of_a_service_inside() -> None:
    there = [container("db-1", {})]
    assert asyncio.run(inspector(there).address("db")) == "172.18.0.3"
    assert asyncio.run(inspector(there, local=False).address("db")) == ""
    assert asyncio.run(inspector([]).address("db")) == ""

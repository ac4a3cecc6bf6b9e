"""The logs of containers: their order, what is kept of them, and what is hidden in them."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from gonogo.engines._compose_logs import ContainerLogs
from gonogo.ports import Completed

NAME, CONTAINER = "web--2026-01-01.1--1", "shop-web--2026-01-01.1--1"


def logs(folder: Path, there: dict[str, list[str]]) -> ContainerLogs:
    """Logs of containers that docker has; there is by the container's name."""

    async def docker(*words: str, say: Any) -> Completed:
        lines = there.get(words[-1])
        for line in (lines or [])[-int(words[3]) :]:
            say(line)
        return Completed(code=1 if lines is None else 0, output="", seconds=0.0)

    return ContainerLogs(cast(Any, SimpleNamespace(docker=docker)), folder)


def test_docker_s_times_give_the_order() -> None:
    there = {
        CONTAINER: [
            "2026-01-01T00:00:02.000000000Z later",
            "2026-01-01T00:00:01.000000000Z  indented",
        ]
    }
    log = asyncio.run(logs(Path("unused"), there).read(NAME, CONTAINER, 2))
    assert [line.text for line in log.lines] == [" indented", "later"]
    assert log.lines[1].at == 1767225602.0
    assert log.cut


def test_what_is_kept_has_its_times_and_none_of_the_secrets_of_its_launch(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    there = {CONTAINER: ["2026-01-01T00:00:01.500000000Z the password is hunter22"]}
    mine = logs(folder, there)
    mine.remember(NAME, ["hunter22"])
    secrets = folder / f"{NAME}.secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    running = asyncio.run(mine.read(NAME, CONTAINER, 10))
    assert running.text == "the password is •••"
    asyncio.run(mine.keep(NAME, CONTAINER))
    mine.forget(NAME)
    del there[CONTAINER]
    assert not secrets.exists()
    assert "hunter22" not in (folder / f"{NAME}.log").read_text()
    assert asyncio.run(mine.read(NAME, CONTAINER, 10)) == running
    assert mine.kept() == [NAME]


def test_a_container_that_nothing_is_known_of_wrote_nothing(tmp_path: Path) -> None:
    assert asyncio.run(logs(tmp_path, {}).read(NAME, CONTAINER, 10)).lines == []


def test_one_that_wrote_nothing_is_known_to_have(tmp_path: Path) -> None:
    mine = logs(tmp_path / "logs", {CONTAINER: []})
    asyncio.run(mine.keep(NAME, CONTAINER))
    assert mine.kept() == [NAME]

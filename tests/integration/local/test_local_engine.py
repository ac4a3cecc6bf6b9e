"""The local engine with a real supervisord."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from local_site import SECRET, Site, answer, release

from gonogo.engines import _processes
from gonogo.model.configuration import Shell
from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.redaction import MASK
from gonogo.model.target import Instance

Build = Callable[..., Site]


async def _until_state(site: Site, state: str, limit: float = 10.0) -> Instance:
    until = time.monotonic() + limit
    while (instance := await site.one()).state != state:
        assert time.monotonic() < until, instance
        await asyncio.sleep(0.05)
    return instance


def _content(path: Path) -> str:
    return path.read_text()


def _listed() -> str:
    """What everyone on the machine can see."""
    return subprocess.check_output(["ps", "axww", "-o", "args"], text=True)


def test_launched_twice_it_is_one_process(site: Build) -> None:
    async def story() -> None:
        one = site()
        await one.foundation.up()
        first = await one.serving(await one.engine.launch("web", release(), 1))
        second = await one.engine.launch("web", release(), 1)
        assert second.address == first.address
        assert len(_processes.marked(one.root, first.name)) == 1
        assert (await _until_state(one, "running")).detail.startswith("pid ")
        assert answer(first.address) == (200, "2026-12-01.1")
        folder = one.folder_of("2026-12-01.1")
        assert (await one.engine.log(first, 5)).text == f"listening {folder}"
        await one.engine.retire(first)
        await one.engine.retire(first)
        assert one.traces() == [] and _processes.marked(one.root) == []
        assert await one.engine.observe() == []
        assert "listening" in (await one.engine.log(first, 5)).text

    asyncio.run(story())


def test_instances_stand_side_by_side(site: Build) -> None:
    async def story() -> None:
        one = site()
        await one.foundation.up()
        names = [("web", 1, 1), ("web", 1, 2), ("web", 2, 1), ("worker", 1, 1)]
        launches = (one.engine.launch(name, release(which), n) for name, which, n in names)
        instances = await asyncio.gather(*launches)
        ports = [instance.address for instance in instances if instance.address]
        assert len(set(ports)) == 3
        assert instances[3].address == "" and instances[3].state == "starting"
        for instance in instances[:3]:
            await one.serving(instance)
        assert len(await one.engine.observe()) == 4
        await one.engine.retire(instances[0])
        left = {instance.name for instance in await one.engine.observe()}
        assert left == {instance.name for instance in instances[1:]}

    asyncio.run(story())


def test_a_crashed_instance_is_started_again_ever_more_slowly(site: Build) -> None:
    async def story() -> None:
        one = site(mode="crash")
        await one.foundation.up()
        await one.engine.launch("web", release(), 1)
        failed = await _until_state(one, "failed")
        assert "exit status 3" in failed.detail
        await asyncio.sleep(4)
        log = (one.root / "supervisor" / "supervisord.log").read_text()
        assert 2 <= log.count("spawned: 'web--") <= 4
        await one.engine.retire(failed)
        assert one.traces() == []

    asyncio.run(story())


def test_an_instance_that_dies_later_comes_back(site: Build) -> None:
    async def story() -> None:
        one = site()
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(), 1))
        await asyncio.sleep(3.5)
        before = answer(instance.address, "/pid")
        assert answer(instance.address, "/crash") is None
        await one.serving(instance)
        assert answer(instance.address, "/pid") != before

    asyncio.run(story())


def test_a_killed_supervisor_leaves_no_orphans(site: Build) -> None:
    async def story() -> None:
        one = site()
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(), 1))
        (orphan,) = _processes.marked(one.root)
        daemon = int((one.root / "supervisor" / "supervisord.pid").read_text())
        os.kill(daemon, signal.SIGKILL)
        await asyncio.sleep(0.2)
        assert not await one.foundation.running()
        assert await one.engine.observe() == ()
        with pytest.raises(TemporaryError):
            await one.engine.launch("web", release(), 1)
        assert _processes.marked(one.root) == [orphan]
        await one.foundation.up()
        await one.serving(instance)
        (now,) = _processes.marked(one.root)
        assert now != orphan
        assert (await one.one()).address == instance.address

    asyncio.run(story())


def test_retired_without_a_supervisor(site: Build) -> None:
    async def story() -> None:
        one = site()
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(), 1))
        os.kill(int((one.root / "supervisor" / "supervisord.pid").read_text()), signal.SIGKILL)
        await asyncio.sleep(0.2)
        await one.engine.retire(instance)
        assert one.traces() == [] and _processes.marked(one.root) == []

    asyncio.run(story())


def test_down_and_up_brings_the_instances_back(site: Build) -> None:
    async def story() -> None:
        one = site()
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(), 1))
        await one.foundation.down()
        assert _processes.marked(one.root) == []
        assert not await one.foundation.running()
        await asyncio.gather(one.foundation.up(), one.foundation.up())
        await one.serving(instance)
        assert (await one.one()).name == instance.name

    asyncio.run(story())


def test_secrets_are_only_in_the_private_file_and_the_process(site: Build) -> None:
    async def story() -> None:
        one = site()
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(), 1))
        (pid,) = _processes.marked(one.root)
        assert f"/{SECRET}" in _content(Path(f"/proc/{pid}/environ"))
        assert "application.py" in _listed() and SECRET not in _listed()
        files = [path for path in one.root.rglob("*") if path.is_file()]
        holding = [path.name for path in files if SECRET.encode() in path.read_bytes()]
        assert holding == [f"{instance.name}.launch"]
        launch = one.root / "instances" / holding[0]
        assert stat.S_IMODE(launch.stat().st_mode) == 0o600
        assert stat.S_IMODE((one.root / "supervisor" / "supervisord.conf").stat().st_mode) == 0o600
        for operation in one.engine.describe("launch", "web", release()):
            assert "${PORT}" in operation.what and SECRET not in operation.what

    asyncio.run(story())


def test_a_secret_in_the_command_is_refused(site: Build) -> None:
    async def story() -> None:
        one = site(command=("serve", "--token", "${TOKEN}"))
        await one.foundation.up()
        with pytest.raises(PermanentError, match="list of processes") as caught:
            await one.engine.launch("web", release(), 1)
        assert SECRET not in str(caught.value)
        assert await one.engine.observe() == [] and one.traces() == []

    asyncio.run(story())


def test_a_shell_line_runs_verbatim(site: Build) -> None:
    async def story() -> None:
        line = "echo 'a;b #c %d' \"$OWN\"; # remark\nexec sleep 1000"
        one = site(command=Shell(shell=line))
        await one.foundation.up()
        instance = await one.engine.launch("web", release(), 1)
        wanted = f"a;b #c %d http://{instance.address}/{MASK}"
        for _ in range(100):
            if wanted == (await one.engine.log(instance, 5)).text:
                break
            await asyncio.sleep(0.05)
        assert (await one.engine.log(instance, 5)).text == wanted

    asyncio.run(story())


def test_a_log_hides_the_secrets_that_the_instance_was_launched_with(site: Build) -> None:
    async def story() -> None:
        one = site(command=Shell(shell="echo token $TOKEN; exec sleep 1000"))
        await one.foundation.up()
        instance = await one.engine.launch("web", release(), 1)
        one.token = "today it is another one"
        while not (seen := (await one.engine.log(instance, 5)).text):
            await asyncio.sleep(0.05)
        assert seen == f"token {MASK}"
        launch = json.loads((one.root / "instances" / f"{instance.name}.launch").read_text())
        assert launch["secrets"] == [SECRET]

    asyncio.run(story())


def test_it_may_end_by_itself_within_the_grace(site: Build) -> None:
    async def story() -> None:
        one = site(mode="slow-stop", grace="5s")
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(), 1))
        begin = time.monotonic()
        await one.engine.retire(instance)
        assert 2.9 < time.monotonic() - begin < 4.5
        assert "ended by itself" in (await one.engine.log(instance, 5)).text

    asyncio.run(story())


def test_it_is_killed_after_the_grace(site: Build) -> None:
    async def story() -> None:
        one = site(mode="ignore", grace="2s")
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(), 1))
        begin = time.monotonic()
        await one.engine.retire(instance)
        assert 1.9 < time.monotonic() - begin < 4.5
        assert _processes.marked(one.root) == []

    asyncio.run(story())


def test_children_of_an_instance_get_the_grace_too(site: Build) -> None:
    async def story() -> None:
        line = "(trap 'sleep 1; touch ended; exit' TERM; while :; do sleep 0.1; done) & wait"
        one = site(command=Shell(shell=line))
        await one.foundation.up()
        instance = await one.engine.launch("web", release(), 1)
        await asyncio.sleep(0.5)
        await one.engine.retire(instance)
        assert (one.root / "releases" / release().id / "ended").exists()
        assert _processes.marked(one.root) == []

    asyncio.run(story())


def test_a_program_without_labels_is_shown_and_can_be_retired(site: Build) -> None:
    async def story() -> None:
        one = site()
        await one.foundation.up()
        launched = await one.engine.launch("web", release(), 1)
        (one.root / "instances" / f"{launched.name}.json").unlink()
        found = await one.one()
        assert found == replace(launched, state="failed", address="", detail=found.detail)
        await one.engine.retire(found)
        assert one.traces() == [] and _processes.marked(one.root) == []

    asyncio.run(story())


def test_a_long_root_folder(site: Build, tmp_path: Path) -> None:
    async def story() -> None:
        one = Site(root=tmp_path / ("long name " * 8) / "root")
        try:
            await one.foundation.up()
            await one.serving(await one.engine.launch("web", release(), 1))
            assert (await one.one()).state == "running"
        finally:
            await one.close()

    asyncio.run(story())

"""gonogo is killed before every single thing that launch and retire do."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from local_site import Site, release

from gonogo.engines import _files, _processes
from gonogo.engines._supervisord import Supervisor
from gonogo.model.target import Instance

WHO = Instance(service="worker", release=release().id, number=1, state="")


def _killed_before(step: int, act: Callable[[], Awaitable[object]]) -> bool:
    """Run in a process of its own that is killed before its step-th effect; False if it ended."""
    child = os.fork()
    if child == 0:
        left = step

        def counted(function: Callable[..., Any]) -> Callable[..., Any]:
            def before(*arguments: Any, **more: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **more)

            return before

        for name in ("link", "open", "replace", "unlink"):
            setattr(os, name, counted(getattr(os, name)))
        for name in ("replace", "unlink"):
            setattr(Path, name, counted(getattr(Path, name)))
        setattr(Supervisor, "_call", counted(getattr(Supervisor, "_call")))  # noqa: B010, B009
        setattr(_files, "write", counted(_files.write))  # noqa: B010
        try:
            asyncio.run(act())  # type: ignore[arg-type]
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


async def _clean_again(site: Site) -> None:
    """After the interruption: looking works, launching gives one process, retiring leaves none."""
    seen = await site.engine.observe()
    assert [instance.name for instance in seen] in ([], [WHO.name])
    launched = await site.engine.launch("worker", release(), 1)
    assert (await site.one()).name == launched.name == WHO.name
    for _ in range(60):
        if len(_processes.marked(site.root)) == 1:
            break
        await asyncio.sleep(0.05)
    assert len(_processes.marked(site.root)) == 1
    await site.engine.retire(launched)
    await _nothing_left(site)


async def _nothing_left(site: Site) -> None:
    assert await site.engine.observe() == []
    assert _processes.marked(site.root) == []
    assert site.traces() == []


@pytest.mark.parametrize("verb", ["launch", "retire"])
def test_killed_anywhere(site: Callable[..., Site], verb: str) -> None:
    one = site()
    asyncio.run(one.foundation.up())
    step = 0
    while True:
        step += 1
        if verb == "launch":
            killed = _killed_before(step, lambda: one.engine.launch("worker", release(), 1))
        else:
            asyncio.run(one.engine.launch("worker", release(), 1))
            killed = _killed_before(step, lambda: one.engine.retire(WHO))
            if step % 2:  # going on with the retirement is enough; else first launch it again
                asyncio.run(one.engine.retire(WHO))
                asyncio.run(_nothing_left(one))
        asyncio.run(_clean_again(one))
        if not killed:
            break
    assert step > 8

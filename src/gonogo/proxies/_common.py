"""What the proxies have in common: how durations are counted, and how one is run in a container."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gonogo.model.errors import TemporaryError
from gonogo.ports import Clock, Completed
from gonogo.ports import Proxy as AnyProxy

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds by which durations are counted."""

Reach = Callable[[str], Awaitable[str]]
"""Gives the address at which this machine reaches a service through the proxy, if it does."""
Inside = Callable[..., Awaitable[Completed]]
"""Runs a command, given word by word, in the container of the proxy."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a proxy in a container is given. ports: where users reach each service that has one.

    folder is on this machine, and the container's, too. page is the file that users get during
    maintenance.
    """

    folder: Path
    ports: Mapping[str, int]
    clock: Clock
    image: str
    reach: Reach
    inside: Inside
    page: Path


@dataclass(frozen=True, kw_only=True)
class Container:
    """How a proxy is run: a value for the foundation.

    files are written before it starts; when they change, the docker command renew, given the
    container's name, has them read again. folder is mounted as a whole at place: a file that is
    replaced would not be seen otherwise. Names outside the engine are asked for at a place where
    nobody answers: the proxy needs none, and must not wait for a name server that is slow.
    """

    kind: str
    image: str
    command: tuple[str, ...]
    folder: Path
    place: str
    files: Mapping[Path, bytes]
    renew: tuple[str, ...]
    tmpfs: tuple[str, ...] = ()
    user: str = f"{os.getuid()}:{os.getgid()}"
    dns: tuple[str, ...] = ("127.0.0.1",)


class ContainedProxy(AnyProxy, Protocol):
    """A proxy that can run in a container.

    The module of one has CONTAINED, its type, made of Surroundings, and IMAGE, what is run unless
    the team names another image.
    """

    def container(self) -> Container:
        """What the foundation keeps running; what it needs in its folder is there after this."""

    async def answers(self) -> bool:
        """Whether it runs, with the ports that the services have now."""


async def require_known(inside: Inside, service: str, addresses: Sequence[str]) -> None:
    """TemporaryError unless the engine knows the names of the instances where the proxy is."""
    for address in addresses:
        name = address.rpartition(":")[0]
        if (await inside("getent", "hosts", name)).code != 0:
            raise TemporaryError(
                f"{service} is not switched: {name} has no IP",
                next_step="look whether gonogo-proxy is in a network of the instances",
            )


def write(path: Path, content: bytes) -> None:
    """Replace a file in one step, if that changes it."""
    try:
        if path.exists() and path.read_bytes() == content:
            return
        aside = path.with_suffix(".new")
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as problem:
        raise TemporaryError(f"cannot write {path}: {problem.strerror}") from problem


@contextmanager
def short(folder: Path) -> Iterator[str]:
    """Another path to a folder: the one of a unix socket may have no more than 107 bytes."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)

"""A proxy in a container, with instances beside it."""

from __future__ import annotations

import asyncio
import http.client
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from gonogo.hosts.clock import SystemClock
from gonogo.ports import Completed
from gonogo.proxies._common import ContainedProxy, Surroundings
from gonogo.proxies._maintenance import DEFAULT_PAGE

from .engine import docker

PORT = 4000
APPLICATION = """
import asyncio, signal, sys

async def serve(reader, writer):
    try:
        while True:
            head = (await asyncio.wait_for(reader.readuntil(b"\\r\\n\\r\\n"), 2)).lower()
            length = head.partition(b"content-length: ")[2].split(b"\\r")[0]
            await reader.readexactly(int(length or 0))
            path = head.split()[1]
            if path == b"/cut":
                break
            if path.startswith(b"/told/"):
                writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(head))
                writer.write(head)
                continue
            if path == b"/echo":
                writer.write(b"HTTP/1.1 101 Go\\r\\n")
                writer.write(b"connection: upgrade\\r\\nupgrade: echo\\r\\n\\r\\n")
                while said := await reader.read(100):
                    writer.write(sys.argv[1].encode() + said)
                break
            if path == b"/slow":
                await asyncio.sleep(1)
            status = b"500 Bad" if path == b"/bad" else b"200 OK"
            text = sys.argv[1].encode()
            length = b"content-length: %d" % len(text)
            writer.write(b"HTTP/1.1 %b\\r\\n%b\\r\\n\\r\\n%b" % (status, length, text))
            await writer.drain()
            if b"connection: close" in head:
                break
    except (OSError, EOFError, TimeoutError):
        pass
    writer.close()

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with await asyncio.start_server(serve, "0.0.0.0", 4000, backlog=256):
        await stop.wait()

asyncio.run(main())
"""


@dataclass
class Site:
    """A network of its own with a proxy of a kind, which has the services of ports."""

    folder: Path
    kind: str
    ports: Mapping[str, int] = field(default_factory=lambda: {"web": PORT})
    name: str = field(default_factory=lambda: f"proxy-{uuid.uuid4().hex[:8]}")
    containers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        docker("network", "create", self.name)

    @property
    def proxy(self) -> ContainedProxy:
        """As a gonogo process would have it: nothing is kept from the one before."""
        module = import_module(f"gonogo.proxies.{self.kind}")
        around = Surroundings(
            folder=self.folder / "proxy",
            ports=self.ports,
            clock=SystemClock(),
            image=module.IMAGE,
            reach=self._reach,
            inside=self._inside,
            page=DEFAULT_PAGE,
        )
        made: ContainedProxy = module.CONTAINED(around)
        return made

    @property
    def container(self) -> str:
        return f"{self.name}-proxy"

    @property
    def port(self) -> int:
        """Where the proxy's first port is published."""
        return int(docker("port", self.container, str(PORT)).rpartition(":")[2])

    def write(self) -> None:
        """The files that the proxy reads."""
        for path, content in self.proxy.container().files.items():
            path.write_bytes(content)

    async def start(self) -> None:
        """Run the proxy as the foundation does."""
        self.write()
        how = self.proxy.container()
        self._run(
            *("--name", self.container, "--user", how.user, "--publish", f"127.0.0.1::{PORT}"),
            *(word for each in how.dns for word in ("--dns", each)),
            *(word for each in how.tmpfs for word in ("--tmpfs", each)),
            *("--volume", f"{how.folder}:{how.place}", how.image, *how.command),
        )
        self.containers.append(self.container)
        await self.answering()

    async def renew(self) -> None:
        """Have the files read again, as the foundation does."""
        self.write()
        docker(*self.proxy.container().renew, self.container)
        await self.answering()

    async def answering(self) -> None:
        """Wait until the proxy runs with today's ports."""
        await until(self.proxy.answers)

    def launch(self, release: str, number: int = 1) -> str:
        """Run an instance; its address."""
        name = f"{self.name}--{release}--{number}"
        self._run("--name", name, "python:3.11-slim", "python", "-c", APPLICATION, release)
        self.containers.append(name)
        return f"{name}:{PORT}"

    async def serving(self, *addresses: str) -> None:
        """Wait until instances answer by themselves, as their health checks would say."""
        for address in addresses:
            ip = self.ip(address)
            await until(lambda ip=ip: get(f"{ip}:{PORT}") is not None)

    def ip(self, address: str) -> str:
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return docker("inspect", "--format", form, address.partition(":")[0])

    def retire(self, *addresses: str) -> None:
        """SIGTERM, and away."""
        for address in addresses:
            docker("stop", "--time", "5", address.partition(":")[0])
            docker("rm", address.partition(":")[0])
            self.containers.remove(address.partition(":")[0])

    def take_ip(self) -> None:
        """Let another container have the first IP that is free."""
        name = f"{self.name}-other-{len(self.containers)}"
        self._run("--name", name, "python:3.11-slim", "sleep", "600")
        self.containers.append(name)

    def remove(self) -> None:
        """Leave nothing of it in the engine."""
        if self.containers:
            docker("rm", "--force", *self.containers)
        docker("network", "rm", self.name)

    def _run(self, *words: str) -> None:
        docker("run", "--detach", "--network", self.name, *words)

    async def _reach(self, service: str) -> str:
        return ""

    async def _inside(self, *command: str) -> Completed:
        words = ["docker", "exec", self.container, *command]
        done = await asyncio.to_thread(
            subprocess.run, words, capture_output=True, text=True, timeout=30, check=False
        )
        return Completed(
            code=done.returncode, output=done.stdout + done.stderr, stdout=done.stdout, seconds=0
        )


def get(
    address: str, path: str = "/", headers: Mapping[str, str] | None = None
) -> tuple[int, str] | None:
    """Status and text of an answer; None when there is none."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        got = connection.getresponse()
        return got.status, got.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


async def until(look: Callable[[], bool | Awaitable[bool]], seconds: float = 30) -> float:
    """Wait until a look finds it; how long that took."""
    begun = time.monotonic()
    while True:
        found = look()
        if found if isinstance(found, bool) else await found:
            return time.monotonic() - begun
        assert time.monotonic() - begun < seconds, "in vain"
        await asyncio.sleep(0.05)

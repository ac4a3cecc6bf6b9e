"""An environment for the tests: a root folder, a small application, real servers."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.engines import _processes
from gonogo.engines.local import LocalEngine
from gonogo.engines.supervisor import SupervisorFoundation
from gonogo.model.configuration import Command, Duration, Service
from gonogo.model.release import Release
from gonogo.model.secret import Secret
from gonogo.model.target import Instance
from gonogo.proxies.traefik import TraefikProxy

SECRET = "s3cret-that-nobody-may-see"
APPLICATION = """
import http.server, os, signal, socket, sys, threading, time

mode = os.environ.get("MODE", "")
if mode == "crash":
    sys.exit(3)
if mode == "ignore":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/slow":
            time.sleep(1.0)
        if self.path == "/crash":
            os._exit(5)
        text = os.environ["RELEASE"] if self.path != "/pid" else str(os.getpid())
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET

    def log_message(self, *arguments):
        pass

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

def stop(*arguments):
    if mode == "slow-stop":
        time.sleep(3)
        print("ended by itself", flush=True)
    os._exit(0)

if mode != "ignore":
    signal.signal(signal.SIGTERM, stop)
print("listening", os.getcwd(), flush=True)
Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


class RealClock:
    """The time of the machine."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def free_port() -> int:
    """A port that is free now, out of the way of the engine's own."""
    for port in range(32100 + os.getpid() % 400, 32767):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port
    raise AssertionError("no free port")


_GIVEN: set[int] = set()


def release(number: int = 1) -> Release:
    return Release(id=f"2026-12-01.{number}", commit="0" * 40)


@dataclass
class Site:
    """Everything of one environment. settings changes the service `web`."""

    root: Path
    mode: str = ""
    grace: str = "5s"
    command: Command = (sys.executable, "application.py", "${PORT}")
    proxied: bool = False
    token: str = SECRET
    port: int = field(default_factory=free_port)
    clock: RealClock = field(default_factory=RealClock)

    def __post_init__(self) -> None:
        self.services = {
            "web": Service(
                command=self.command,
                port=self.port,
                health="/",
                stop_grace=Duration(self.grace),
                environment={"RELEASE": "$release", "OWN": "http://${HOST}:${PORT}/${TOKEN}"},
            ),
            "worker": Service(command=("sleep", "1000")),
        }
        self.engine = LocalEngine(
            root=self.root,
            services_of=lambda release: self.services,
            folder_of=self.folder_of,
            environment_of=lambda release, flags=None: {
                "TOKEN": Secret(self.token),
                "MODE": self.mode,
            },
            secrets_of=lambda release: [self.token, "not-for-the-application"],
            clock=self.clock,
        )
        self.proxy = TraefikProxy(root=self.root, ports={"web": self.port}, clock=self.clock)
        programs = {"traefik": self.proxy.program} if self.proxied else {}
        self.foundation = SupervisorFoundation(root=self.root, clock=self.clock, programs=programs)

    def folder_of(self, release_id: str) -> str:
        folder = self.root / "releases" / release_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "application.py").write_text(APPLICATION)
        return str(folder)

    async def close(self) -> None:
        """Stop everything and prove that nothing is left."""
        await self.foundation.down()
        assert _processes.marked(self.root) == []

    async def one(self) -> Instance:
        """The only instance there is."""
        (instance,) = await self.engine.observe()
        return instance

    async def serving(self, instance: Instance) -> Instance:
        """Wait until an instance answers."""
        for _ in range(200):
            if await asyncio.to_thread(answer, instance.address) is not None:
                return instance
            await asyncio.sleep(0.05)
        raise AssertionError((await self.engine.log(instance, 50)).text)

    def traces(self) -> list[str]:
        """Files about instances, except logs and locks."""
        folders = (self.root / "instances", self.root / "supervisor" / "programs")
        return sorted(
            path.name
            for folder in folders
            for path in folder.glob("*")
            if path.name not in (".lock", "traefik.conf")
        )


def answer(address: str, path: str = "/", timeout: float = 5) -> tuple[int, str] | None:
    """Status and text of a GET; None when there is no answer."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("GET", path)
        got = connection.getresponse()
        return got.status, got.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()

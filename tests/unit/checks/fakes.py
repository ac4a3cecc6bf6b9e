"""A small scene for checks: a host that runs for real in a folder, everything else by hand."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from gonogo.model.configuration import Configuration, Environment, Shell
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding
from gonogo.model.log import Log
from gonogo.model.release import Manifest, Release
from gonogo.model.secret import Secret
from gonogo.model.target import Instance
from gonogo.ports import Check, Completed, Scene

NEW = Release(id="2026-12-01.1", commit="a" * 40)
OLD = Release(id="2026-11-24.2", commit="b" * 40)
KEY = b"the key of the target"
OLD_MANIFEST = Manifest(release=OLD, run="r1", by="tomas", at="2026-11-24T10:00:00Z", good=True)


SILENT = Completed(code=0, output="", seconds=0.1)


@dataclass
class FakeValues:
    """References from a dictionary; facts are lower-case names."""

    known: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    declared: tuple[str, ...] = ()
    unset_at: dict[str, str] = field(default_factory=dict)

    def text(self, reference: str) -> str:
        def put(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            found = (self.known if match[1] else self.told).get(name)
            if found is None:
                raise PermanentError(f"{name} is not set")
            return found

        return re.sub(r"\$\{(\w+)\}|\$(url|release|environment)\b", put, reference)

    def variables(self) -> Mapping[str, Secret]:
        return {name: Secret(value) for name, value in self.known.items()}

    def application(self) -> Mapping[str, Secret]:
        return self.variables()

    def facts(self) -> Mapping[str, str]:
        return self.told

    def missing(self) -> Sequence[str]:
        return [name for name in self.declared if name not in self.known]

    def unset(self) -> Mapping[str, str]:
        return self.unset_at


class RealHost:
    """Runs commands on this machine. answers replaces what some programs say."""

    def __init__(self) -> None:
        self.answers: dict[str, Completed] = {}
        self.ran: list[Any] = []

    async def run(self, command: Any, *, cwd: str, environment: Any, **_: Any) -> Completed:
        self.ran.append(command)
        if isinstance(command, tuple) and command[0] in self.answers:
            return self.answers[command[0]]
        argv = ["sh", "-c", command.shell] if isinstance(command, Shell) else list(command)
        variables = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in environment.items()
        }
        done = await asyncio.to_thread(
            subprocess.run,
            argv,
            cwd=cwd,
            env={"PATH": "/usr/bin:/bin:/usr/local/bin", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return Completed(code=done.returncode, output=done.stdout.decode(), seconds=0.1)

    async def read(self, path: str) -> bytes | None:
        file = Path(path)
        return (
            await asyncio.to_thread(file.read_bytes)
            if await asyncio.to_thread(file.exists)
            else None
        )


@dataclass
class FakeWorkshop:
    """Releases that are prepared, and what a command in them answers."""

    ids: tuple[str, ...] = ()
    answer: Completed = SILENT
    folders: tuple[str, ...] = ()
    ran: list[Any] = field(default_factory=list)

    async def prepared(self) -> Sequence[str]:
        return self.ids

    async def places(self) -> Sequence[str]:
        return self.folders

    async def size(self, release_id: str) -> int:
        return 1_000_000_000

    async def run(self, release: Release, command: Any, **_: Any) -> Completed:
        self.ran.append((release.id, command))
        return self.answer


@dataclass
class FakeEngine:
    """Instances and their logs by name."""

    instances: list[Instance] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)

    async def observe(self) -> Sequence[Instance]:
        return self.instances

    async def log(self, instance: Instance, lines: int) -> Log:
        return Log.of("\n".join(self.logs.get(instance.name, "").splitlines()[-lines:]))


@dataclass
class FakeTarget:
    """What is live."""

    manifest: Manifest | None = None

    async def live(self) -> Manifest | None:
        return self.manifest

    async def manifests(self) -> Sequence[Manifest]:
        return [self.manifest] if self.manifest else []

    async def key(self) -> bytes:
        return KEY


@dataclass
class FakeMigrator:
    """What is pending."""

    names: Sequence[str] | None = ()
    asked: list[str] = field(default_factory=list)

    async def pending(self, release: Release, say: Any) -> Sequence[str] | None:
        self.asked.append(release.id)
        return self.names


class RealClock:
    """The machine's time."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def scene(**parts: Any) -> Scene:
    """A scene; parts replace what it is made of, environment takes keys of an Environment."""
    environment = Environment(name="test", **parts.pop("environment", {}))
    whole: dict[str, Any] = {
        "configuration": Configuration(app="portal"),
        "environment": environment,
        "project": "/",
        "run": "r2",
        "by": "tomas",
        "release": NEW,
        "previous": OLD_MANIFEST,
        "t_zero": 0.0,
        "clock": RealClock(),
        "values": FakeValues(),
        "host": RealHost(),
        "target": FakeTarget(),
        "lock": None,
        "flags": None,
        "workshop": FakeWorkshop(),
        "engine": FakeEngine(),
        "proxy": None,
        "foundation": None,
        "database": None,
        "migrator": None,
    }
    return Scene(**{**whole, **parts})


def probe(check: Check[Any], scene: Scene, **settings: Any) -> Finding:
    """What a check finds with these settings."""
    return asyncio.run(check.probe(check.settings(**settings), scene))


@dataclass
class Asked:
    """A request as the server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


Reply = tuple[int, dict[str, str], str]
Route = Reply | Callable[[Asked], Reply]


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"content-type": "application/json", **names}, json.dumps(body)


@dataclass
class Site:
    """A running server: where it is, and what it was asked."""

    url: str
    port: int
    asked: list[Asked]


@contextmanager
def site(routes: Mapping[str, Route], context: Any = None) -> Iterator[Site]:
    """A real server on loopback. A route is `GET /path`; any other is answered with 404."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length).decode()
            request = Asked(self.command, self.path, headers, body)
            asked.append(request)
            route = routes.get(f"{self.command} {self.path}", (404, {}, "no such page"))
            status, headers, text = route(request) if callable(route) else route
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    port = cast(int, server.server_address[1])
    try:
        yield Site(f"{'https' if context else 'http'}://127.0.0.1:{port}", port, asked)
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silence() -> Iterator[int]:
    """A port where a connection is taken and nothing ever said."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return cast(int, probe.getsockname()[1])

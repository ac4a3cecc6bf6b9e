"""Where the demonstration plays: a folder with the portal's releases, its ports, its customers."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "portal"))

from make_releases import make_releases  # noqa: E402

GONOGO = (sys.executable, "-m", "gonogo")
BACKEND_PORT, FRONTEND_PORT = 4000, 3000


class Stage:
    """A new folder with a repository of the portal's releases.

    replace changes its gonogo.yml, on top of the ports that are free on this machine.
    """

    def __init__(self, replace: dict[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gonogo-demo-"))
        self.portal = self.folder / "portal"
        backend, frontend = free_port(BACKEND_PORT), free_port(FRONTEND_PORT)
        self.backend = f"http://127.0.0.1:{backend}"
        self.frontend = f"http://127.0.0.1:{frontend}"
        ports = {str(BACKEND_PORT): str(backend), str(FRONTEND_PORT): str(frontend)}
        make_releases(self.portal, replace={**ports, **(replace or {})})
        self.environment = _environment()

    def git(self, *arguments: str) -> None:
        """Run git in the repository, quietly."""
        who = ("-c", "user.name=Portal", "-c", "user.email=portal@example.com")
        subprocess.run(["git", *who, *arguments], cwd=self.portal, check=True, capture_output=True)

    def start(self, *arguments: str, output: IO[str] | int | None = None) -> subprocess.Popen[str]:
        """Start gonogo there; it prints to output, or to where this process prints."""
        return subprocess.Popen(
            [*GONOGO, *arguments],
            cwd=self.portal,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )

    def gonogo(self, *arguments: str, output: IO[str] | int | None = None) -> int:
        """Run gonogo there to its end and return its exit code."""
        return self.start(*arguments, output=output).wait()

    def ask(self, *arguments: str) -> Any:
        """What a command of gonogo answers with --json; None when it answers nothing."""
        done = subprocess.run(
            [*GONOGO, *arguments, "--json"],
            cwd=self.portal,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(done.stdout) if done.stdout.strip() else None

    def left_running(self) -> dict[int, str]:
        """Processes with the folder in their arguments, environment or working directory."""
        mark = os.fsencode(self.folder)
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (entry / "cmdline").read_bytes()
                where = os.fsencode((entry / "cwd").readlink())
                told = b"\0".join((arguments, where, (entry / "environ").read_bytes()))
            except OSError:
                continue  # ended meanwhile, or of another user
            if mark in told and int(entry.name) != os.getpid():
                found[int(entry.name)] = arguments.replace(b"\0", b" ").decode(errors="replace")
        return found

    def clear(self) -> None:
        """Remove the repository with all that was released from it; other files stay."""
        shutil.rmtree(self.portal, ignore_errors=True)

    def end(self) -> None:
        """End whatever still runs, whatever happened, and remove everything."""
        self.gonogo("stop", output=subprocess.DEVNULL)
        while left := self.left_running():  # a program may be started again meanwhile
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)


class Shop(Protocol):
    """A portal that customers can use: its folder, and where backend and frontend answer."""

    portal: Path
    backend: str
    frontend: str


class Traffic:
    """Customers who use the portal until stop(). failures has all of them after that."""

    def __init__(self, stage: Shop, rate: float) -> None:
        program = [sys.executable, str(HERE / "traffic.py"), f"--rate={rate}"]
        self._process = subprocess.Popen(
            [*program, stage.backend, stage.frontend],
            cwd=stage.portal,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.last: dict[str, Any] = {}
        self._told = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def begun(self) -> bool:
        """Wait until all are signed in; False if that failed."""
        self._told.wait(20)
        return bool(self.last)

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return int(self.last.get("requests", 0))

    @property
    def failed(self) -> int:
        """How many of them failed so far."""
        return int(self.last.get("failed", 0))

    def stop(self) -> dict[str, Any]:
        """Send no more, wait for the answers under way, and tell everything."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=60)
        self._reader.join(timeout=10)
        return self.last

    def kill(self) -> None:
        """End it, whatever happened."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.last = json.loads(line)
            self._told.set()
        self._told.set()


def free_port(first: int) -> int:
    """The first port from this one on that nobody listens on."""
    for port in range(first, first + 1000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit(f"demo: no free port from {first} on")


def switched(events: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """From when to when a release that was rolled back could get traffic, by its run's record."""
    moves = [event for event in events if "switch" in event["step"]]
    begun = [event["at"] for event in moves if event["kind"] == "started"]
    ended = [event["at"] for event in moves if event["kind"] == "result"]
    return min(begun, default=0.0), max(ended, default=0.0)


def _environment() -> dict[str, str]:
    """The variables of gonogo: this Python is the one that the portal runs with."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    variables = {**os.environ, "PATH": path}
    try:
        getpass.getuser()
    except (KeyError, OSError):
        variables.setdefault("GONOGO_PERSON", "demo")
    return variables

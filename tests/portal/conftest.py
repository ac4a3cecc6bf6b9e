"""Starts real processes of the portal example for the tests in this folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

PORTAL = Path(__file__).resolve().parents[2] / "examples" / "portal"
PASSWORD = "portal-demo"
START_SECONDS = 15.0


@dataclass
class Running:
    """A process of the portal that the test has started."""

    process: subprocess.Popen[str]
    url: str

    def client(self) -> httpx.Client:
        """Return a client for this process."""
        return httpx.Client(base_url=self.url, timeout=10)

    def signed_in(self) -> httpx.Client:
        """Return a client with the session of a sample customer."""
        account = {"email": "customer1@example.com", "password": PASSWORD}
        answer = httpx.post(f"{self.url}/auth/login", json=account)
        assert answer.status_code == 200
        return httpx.Client(base_url=self.url, timeout=10, cookies=answer.cookies)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Return the exit code."""
        return self.process.wait(timeout=15)


def environment(**settings: str) -> dict[str, str]:
    """Return an environment with these settings and no others of the portal."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"} | settings


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(
    module: str, *arguments: str, cwd: Path = PORTAL, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the portal to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def wait_until(condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Wait until something becomes true, and fail if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def answers(url: str) -> bool:
    """Tell whether the address answers with 200."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


Start = Callable[..., Running]


def launcher() -> Iterator[Start]:
    """Give a function that starts processes, and end those that still run."""
    started: list[Running] = []

    def start(
        module: str, cwd: Path = PORTAL, probe: str | None = "/ready", **settings: str
    ) -> Running:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=cwd,
            env=environment(PORT=str(port), **settings),
            stderr=subprocess.PIPE,
            text=True,
        )
        running = Running(process, f"http://127.0.0.1:{port}")
        started.append(running)
        if probe is not None:
            wait_until(lambda: answers(running.url + probe))
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate(timeout=10)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start processes for one test."""
    yield from launcher()


@pytest.fixture(scope="module")
def start_for_module() -> Iterator[Start]:
    """Start processes for all tests of a module."""
    yield from launcher()


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the first schema and the sample customers, to be copied."""
    path = tmp_path_factory.mktemp("seeded") / "portal.db"
    done = run("portal.migrate", "--seed", DATABASE_URL=f"sqlite:///{path}")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def module_database(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a sample database for all tests of a module."""
    return f"sqlite:///{shutil.copy(seeded, tmp_path_factory.mktemp('database'))}"


@pytest.fixture
def database(seeded: Path, tmp_path: Path) -> str:
    """The address of a fresh sample database."""
    return f"sqlite:///{shutil.copy(seeded, tmp_path)}"


@dataclass(frozen=True)
class Tools:
    """The helpers above, for test modules that cannot import this file."""

    root: Path = PORTAL
    password: str = PASSWORD
    run: Callable[..., subprocess.CompletedProcess[str]] = run
    wait_until: Callable[..., None] = wait_until
    answers: Callable[[str], bool] = answers


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Helpers to run commands and to wait."""
    return Tools()

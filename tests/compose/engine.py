"""The Docker engine of the tests: the one that answers already, or one of their own.

Only root can run an engine. Its images stay for the next run, because making them takes a minute;
its containers, networks and volumes go.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gonogo-tests"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1


def docker(*words: object, timeout: float = 60, cwd: Path | None = None) -> str:
    """Run a docker command and return what it printed."""
    command = ["docker", *map(str, words)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def works(*words: str, timeout: float = 30) -> bool:
    """Tell whether a docker command ends well."""
    try:
        docker(*words, timeout=timeout)
    except (AssertionError, OSError, subprocess.TimeoutExpired):
        return False
    return True


@contextmanager
def engine() -> Iterator[None]:
    """Have docker's commands answered until the end of the block."""
    if not works("compose", "version"):
        pytest.skip("Docker Compose is missing: scripts/setup-tests installs it")
    if works("version"):
        yield
    elif os.geteuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("no Docker engine answers, and only root can start one")
    else:
        with _own_engine():
            yield


@contextmanager
def _own_engine() -> Iterator[None]:
    with _alone(), tempfile.TemporaryDirectory(prefix="gonogo-docker-") as name:
        folder = Path(name)
        with _daemon(folder), pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", f"unix://{folder}/docker.sock")
            _empty()
            yield


@contextmanager
def _alone() -> Iterator[None]:
    """Two engines must not share what they store; the lock goes with this process."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.skip(f"another run of the tests has its Docker engine in {CACHE}")
        yield


@contextmanager
def _daemon(folder: Path) -> Iterator[None]:
    """An engine until the end of the block; the kernel stops it if the tests are killed."""
    settings = {
        "data-root": str(CACHE / "docker"),
        "exec-root": str(folder / "exec"),
        "pidfile": str(folder / "pid"),
        "hosts": [f"unix://{folder}/docker.sock"],
    }
    (folder / "daemon.json").write_text(json.dumps(settings))
    kernel = ctypes.CDLL(None)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            ["dockerd", "--config-file", folder / "daemon.json"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C does not end it before the tests
            preexec_fn=lambda: kernel.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM)),  # noqa: PLW1509
        )
    try:
        _wait_for(process, folder)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        _unmount(folder)


def _wait_for(process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not works("--host", f"unix://{folder}/docker.sock", "version"):
        if process.poll() is not None or time.monotonic() > deadline:
            last = (folder / "log").read_text(errors="replace").strip().rpartition("\n")[2]
            pytest.skip(f"a Docker engine cannot run here: {last}")
        time.sleep(0.1)


def _empty() -> None:
    """Remove what an earlier run left that was killed, and what no image needs."""
    if left := docker("ps", "--all", "--quiet").split():
        docker("rm", "--force", *left)
    docker("system", "prune", "--force")
    docker("volume", "prune", "--all", "--force")


def _unmount(folder: Path) -> None:
    """The engine does not unmount everything below its folder."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in mounts:
        if mount.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mount], check=True)

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
def engine() -> Iterator[Daemon | None]:
    """Have docker's commands answered until the end of the block; the daemon if it is our own."""
    if not works("compose", "version"):
        pytest.skip("Docker Compose is missing: scripts/setup-tests installs it")
    if works("version"):
        yield None
    elif os.geteuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("no Docker engine answers, and only root can start one")
    else:
        with _own_engine() as daemon:
            yield daemon


@contextmanager
def _own_engine() -> Iterator[Daemon]:
    with _alone(), tempfile.TemporaryDirectory(prefix="gonogo-docker-") as name:
        folder = Path(name)
        daemon = Daemon(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", f"unix://{folder}/docker.sock")
            try:
                daemon.start()
                _empty()
                yield daemon
            finally:
                _end_containers()
                daemon.stop()
                _unmount(CACHE / "exec")


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


class Daemon:
    """An engine of our own; the kernel stops it if the tests are killed.

    Its containers go on while it is stopped (live-restore), as on a server that is looked after.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        settings = {
            "data-root": str(CACHE / "docker"),
            "exec-root": str(CACHE / "exec"),  # where the next run finds what this one left
            "pidfile": str(folder / "pid"),
            "hosts": [f"unix://{folder}/docker.sock"],
            "live-restore": True,
        }
        (folder / "daemon.json").write_text(json.dumps(settings))

    def start(self) -> None:
        """Start it and wait until it answers."""
        kernel = ctypes.CDLL(None)
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                ["dockerd", "--config-file", self._folder / "daemon.json"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C does not end it before the tests
                preexec_fn=lambda: kernel.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM)),  # noqa: PLW1509
            )
        deadline = time.monotonic() + START_SECONDS
        while not works("--host", f"unix://{self._folder}/docker.sock", "version"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                last = (self._folder / "log").read_text(errors="replace").strip()
                pytest.skip(f"a Docker engine cannot run here: {last.rpartition(chr(10))[2]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it; what it runs goes on."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _end_containers() -> None:
    if left := docker("ps", "--all", "--quiet").split():
        docker("rm", "--force", *left, timeout=STOP_SECONDS)


def _empty() -> None:
    """Remove what an earlier run left that was killed, and what no image needs."""
    _end_containers()
    docker("system", "prune", "--force")
    docker("volume", "prune", "--all", "--force")


def _unmount(folder: Path) -> None:
    """The engine does not unmount everything below its folder."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in mounts:
        if mount.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mount], check=True)

"""A PostgreSQL as a Compose service, looked at and filled without gonogo."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from gonogo.databases.postgres import PostgresDatabase
from gonogo.hosts.clock import SystemClock
from gonogo.hosts.local import LocalHost
from gonogo.model.configuration import Command
from gonogo.model.secret import Secret
from gonogo.ports import Completed, Say

from .engine import docker

PASSWORD = "p%4w'\"@$/x y"
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname ="
FILE = """\
services:
  db:
    image: postgres:15
    environment: {POSTGRES_USER: admin, POSTGRES_PASSWORD}
    command: [postgres, -c, fsync=off]
    stop_grace_period: 5s
"""


class KillingHost(LocalHost):
    """Kills its own process before the command of a number, or some seconds into it."""

    def __init__(self, number: int, seconds: float = 0.0) -> None:
        super().__init__()
        self.left = number
        self.seconds = seconds

    async def run(
        self,
        command: Command,
        *,
        cwd: str,
        environment: Mapping[str, str | Secret],
        timeout: float,
        say: Say,
    ) -> Completed:
        self.left -= 1
        if self.left == 0 and not self.seconds:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.left == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
        return await super().run(
            command, cwd=cwd, environment=environment, timeout=timeout, say=say
        )


class Server:
    """One container with any number of databases; admin is its superuser."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = f"gonogo-tests-{uuid.uuid4().hex[:8]}"
        self.compose = ("docker", "compose", "-p", self.project)

    def start(self) -> None:
        """Run it and wait until it answers."""
        (self.folder / "compose.yaml").write_text(FILE)
        with open(self.folder / ".env", "w") as file:
            file.write(f"POSTGRES_PASSWORD='{PASSWORD.replace(chr(39), chr(92) + chr(39))}'\n")
        docker("compose", "-p", self.project, "up", "--detach", "--pull=never", cwd=self.folder)
        self.wait()

    def wait(self) -> None:
        """Until it takes connections."""
        deadline = time.monotonic() + 60
        while self._inside("pg_isready", "--host=127.0.0.1").returncode:
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.2)

    def remove(self) -> None:
        """The container and its data."""
        docker("compose", "-p", self.project, "down", "--volumes", "--timeout=1")

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Run SQL as admin; the values it selects, one row a line."""
        done = self._inside(*_psql(database), f"--command={statements}")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def connected(self, statements: str, database: str) -> subprocess.Popen[str]:
        """The same, connected and at work."""
        process = subprocess.Popen(
            self._command(*_psql(database), f"--command={statements}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + 30
        while self.sql(f"{_SESSIONS} {literal(database)}") == "0":
            assert time.monotonic() < deadline and process.poll() is None
        return process

    def disconnect(self, database: str) -> None:
        """End every session in a database."""
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = {literal(database)}"
        )

    def databases(self) -> set[str]:
        return set(self.sql("SELECT datname FROM pg_database").splitlines())

    def files(self) -> list[str]:
        """What gonogo left inside."""
        return self._inside("find", "/var/tmp", "-name", "gonogo-*").stdout.split()

    def database(
        self, name: str, folder: Path, *, role: str = "admin", host: LocalHost | None = None
    ) -> PostgresDatabase:
        """gonogo's view of a database."""
        url = f"postgresql://{role}:{quote(PASSWORD, safe='')}@db:5432/{quote(name, safe='')}?x=y@z"
        return PostgresDatabase(
            host=host or LocalHost(),
            compose=self.compose,
            service="db",
            url=lambda: Secret(url),
            copies_folder=folder / "copies",
            clock=SystemClock(),
        )

    def _inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*command), capture_output=True, text=True, timeout=120, check=False
        )

    def _command(self, *command: str) -> Sequence[str]:
        return (*self.compose, "exec", "-T", "--user", "postgres", "db", *command)


def killed(act: Callable[[], object]) -> bool:
    """Act in a child process; whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        assert os.WEXITSTATUS(status) == 0
        return False
    return True


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _psql(database: str) -> Sequence[str]:
    options = ("--username=admin", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align")
    conninfo = database.replace("\\", "\\\\").replace("'", "\\'")
    return ("psql", *options, f"--dbname=dbname='{conninfo}' application_name=somebody")

"""Servers for the tests, and the watch over what the tests leave behind.

A test that misses something skips, through the fixture `missing`. With GONOGO_TEST_REQUIRE_ALL=1
every skip is a failure, whatever its reason.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest

hypothesis.settings.register_profile("whatever the load", deadline=None)
hypothesis.settings.load_profile("whatever the load")

# Started in the background by a shell, a process ignores Ctrl-C, and so do all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

REQUIRE_ALL = os.environ.get("GONOGO_TEST_REQUIRE_ALL") == "1"
START_SECONDS = 30.0
GRACE_SECONDS = 5.0
MARK = "GONOGO_TEST_SESSION"
_PR_SET_PDEATHSIG = 1


# -- nothing is left out ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def missing() -> Callable[[str], NoReturn]:
    """Leave a test out because of what is missing on this machine."""
    return _missing


def _missing(what: str) -> NoReturn:
    pytest.skip(f"{what} is missing: scripts/setup-tests installs it")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Iterator[None]:
    """A skip of a test is a failure when everything is required."""
    report: Any = yield
    return _judged(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """A skip of a whole file is a failure, too."""
    report: Any = yield
    return _judged(report)


def _judged(report: Any) -> Any:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped with GONOGO_TEST_REQUIRE_ALL=1: {reason}"
    return report


# -- nothing is left behind ---------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """End what still runs after the last test, and fail if there was something."""
    mark = uuid.uuid4().hex
    os.environ[MARK] = mark
    signs = [f"{MARK}={mark}".encode(), os.fsencode(tmp_path_factory.getbasetemp()) + b"/"]
    yield
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := _running(signs)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in left:
        with _gone_is_fine():
            os.kill(process, signal.SIGKILL)
    assert not left, f"left behind: {'; '.join(left.values())}"


def _running(signs: Sequence[bytes]) -> dict[int, str]:
    """Processes with one of the signs in their environment, arguments or working directory."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) in (os.getpid(), os.getppid()):
            continue
        with _gone_is_fine():
            arguments = (folder / "cmdline").read_bytes()
            where = os.fsencode((folder / "cwd").readlink()) + b"/"
            told = b"\0".join([(folder / "environ").read_bytes(), arguments, where])
            if any(sign in told for sign in signs):
                words = arguments.decode(errors="replace").replace("\0", " ").strip()
                found[int(folder.name)] = f"{folder.name} {words}"
    return found


def _gone_is_fine() -> suppress:
    """The process may have ended meanwhile, or be somebody else's."""
    return suppress(FileNotFoundError, ProcessLookupError, PermissionError)


# -- servers ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this session; GONOGO_TEST_POSTGRES names another one to use."""
    if given := os.environ.get("GONOGO_TEST_POSTGRES"):
        yield given
        return
    programs = _postgres_programs()
    if programs is None:
        _missing("postgresql")
    user = _unprivileged()
    with _folder("postgres", user) as folder:
        password, port = secrets.token_hex(16), _free_port()
        (folder / "password").write_text(password)
        _hand_over(folder / "password", user)
        data = folder / "data"
        subprocess.run(
            [
                programs / "initdb",
                f"--pgdata={data}",
                "--username=gonogo",
                "--auth=scram-sha-256",
                f"--pwfile={folder / 'password'}",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
            **_as(user),
            cwd=folder,
            check=True,
            capture_output=True,
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            "fsync": "off",
            "max_connections": 200,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", str(data), *options]
        with _server(command, port, folder, user, stop=signal.SIGINT):
            url = f"postgresql://gonogo:{password}@127.0.0.1:{port}/postgres"
            _wait_for_postgres(url)
            yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database for one test."""
    import psycopg

    name = f"gonogo_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield postgres_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server of this session; GONOGO_TEST_REDIS names another one to use."""
    if given := os.environ.get("GONOGO_TEST_REDIS"):
        yield given
        return
    program = shutil.which("redis-server")
    if program is None:
        _missing("redis-server")
    user, port = _unprivileged(), _free_port()
    with _folder("redis", user) as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        with _server(command, port, folder, user, stop=signal.SIGTERM):
            yield f"redis://127.0.0.1:{port}/0"


def _postgres_programs() -> Path | None:
    """Where the server's programs lie: on the path, or where Debian puts each version."""
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(versions, key=lambda path: int(path.parts[4]), default=None)
    return newest.parent if newest else None


def _unprivileged() -> int | None:
    """As whom a server runs when the tests run as root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise AssertionError("there is no user postgres or nobody")


def _as(user: int | None) -> dict[str, Any]:
    """What makes subprocess run something as that user."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwuid(user).pw_gid, "extra_groups": []}


def _hand_over(path: Path, user: int | None) -> None:
    if user is not None:
        os.chown(path, user, pwd.getpwuid(user).pw_gid)


@contextmanager
def _folder(name: str, user: int | None) -> Iterator[Path]:
    """A folder outside of pytest's, which only the user of the tests may enter."""
    folder = Path(tempfile.mkdtemp(prefix=f"gonogo-{name}-"))
    try:
        _hand_over(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(
    command: list[str], port: int, folder: Path, user: int | None, *, stop: signal.Signals
) -> Iterator[None]:
    """A server until the end of the block; the kernel stops it if the tests are killed."""
    kernel = ctypes.CDLL(None)
    log = folder / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            **_as(user),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: kernel.prctl(_PR_SET_PDEATHSIG, int(stop)),  # noqa: PLW1509
        )
    try:
        _wait_for_port(process, port, log)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            alive = process.poll() is None and time.monotonic() < deadline
            assert alive, f"{process.args} did not start: {log.read_text(errors='replace')[-2000:]}"
            time.sleep(0.05)


def _wait_for_postgres(url: str) -> None:
    """The port is open a moment before the server takes connections."""
    import psycopg

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

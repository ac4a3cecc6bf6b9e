"""A small application in a folder of its own, released by the real command.

Everything that runs for it can be found again: its PATH begins with a folder of the site, and
every process inherits that. So a test can say what is left over, and the site always cleans up.
"""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PYTHON = sys.executable
RUNNER = HERE / "killed.py"
PORTS = range(32000, 32100)
LEFT_OVER = re.compile(r"\.tmp$|\.partial|\.removed-|\.current-|\.new$")
"""Names of files that are there only while something is being written."""

CONFIGURATION = """\
app: shop
environments:
  development:
    engine: local
    development: true
    keep_releases: 2
    build: [[python, -I, -S, app.py, build]]
    environment:
      DATABASE: $project/shop.db
      COMMAND_LOG: $project/commands.log
      RELEASE: $release
{variables}
{settings}
    services:
      web:
        command: [python, -I, -S, app.py, web]
        port: {port}
        health: /health
        version: /version
        drain: 0s
        stop_grace: 3s
        start_timeout: 2s
{worker}
    database:
      sqlite: shop.db
      migrations:
        command: [python, -I, -S, app.py, migrate]
        pending: [python, -I, -S, app.py, pending]
        online: {online}
{procedures}
"""
WORKER = "      worker: {command: [python, -I, -S, app.py, worker], stop_grace: 3s}"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a command ended."""

    code: int
    output: str
    errors: str

    @property
    def text(self) -> str:
        """All it printed."""
        return self.output + self.errors

    def json(self) -> Any:
        """The object that --json printed."""
        return json.loads(self.output)


@dataclass
class Site:
    """One application with its git repository. close() leaves nothing behind.

    variables are lines for the application's environment, settings lines for the environment in
    gonogo.yml, procedures the lines of that part.
    """

    folder: Path
    worker: bool = True
    online: bool = True
    variables: str = ""
    settings: str = ""
    procedures: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    number: int = 0
    _claim: socket.socket | None = None

    def __post_init__(self) -> None:
        self.project = self.folder / "project"
        self.temporary = self.folder / "temporary"
        self.programs = self.folder / "programs"
        for folder in (self.project, self.temporary, self.programs):
            folder.mkdir(parents=True, mode=0o700)
        self.port, self._claim = _claim_port()
        for program in ("python", "gonogo"):
            (self.programs / program).symlink_to(Path(PYTHON).parent / program)
        shutil.copyfile(HERE / "app.py", self.project / "app.py")
        (self.project / ".gitignore").write_text("shop.db*\ncommands.log\nbuilt.txt\n.env\n")
        self.write_configuration()
        self.git("init", "--quiet", "--template=", "--initial-branch=main")
        self.release()

    # -- the project ----------------------------------------------------------------------------

    @property
    def target(self) -> Path:
        """Where gonogo keeps releases and state."""
        return self.project / ".gonogo/target/development"

    @property
    def data(self) -> Path:
        """The data directory of this environment."""
        return self.project / ".gonogo/data/shop/development"

    @property
    def url(self) -> str:
        """Where users reach the application."""
        return f"http://127.0.0.1:{self.port}"

    def write_configuration(self) -> None:
        """gonogo.yml from this site's settings."""
        text = CONFIGURATION.format(
            variables=textwrap.indent(self.variables, " " * 6),
            settings=textwrap.indent(self.settings, " " * 4),
            port=self.port,
            worker=WORKER if self.worker else "",
            online=str(self.online).lower(),
            procedures=self.procedures,
        )
        (self.project / "gonogo.yml").write_text(text)

    def release(self, *, migrations: int = 1, mode: str = "", build_seconds: float = 0) -> int:
        """Commit the next version of the application; answers its number."""
        self.number += 1
        about = {
            "number": self.number,
            "migrations": migrations,
            "mode": mode,
            "build_seconds": build_seconds,
        }
        (self.project / "release.json").write_text(json.dumps(about))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Version {self.number}")
        return self.number

    def git(self, *arguments: str) -> str:
        """Run git in the project, apart from any settings of the machine."""
        named = ("-c", "user.name=Shop", "-c", "user.email=shop@example.com")
        done = subprocess.run(
            ("git", *named, "-c", "gc.auto=0", *arguments),
            cwd=self.project,
            env=self.process_environment(
                {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
            ),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    # -- commands -------------------------------------------------------------------------------

    def process_environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """The environment of every command of this site."""
        return {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.temporary),
            "GONOGO_PERSON": "aiko",
            "COLUMNS": "300",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            **self.environment,
            **(more or {}),
        }

    def start(
        self, *arguments: str, variables: dict[str, str] | None = None, runner: bool = False
    ) -> subprocess.Popen[str]:
        """Start gonogo (or the runner that can kill itself) and do not wait."""
        program = (PYTHON, str(RUNNER)) if runner else (str(self.programs / "gonogo"),)
        return subprocess.Popen(
            (*program, *arguments),
            cwd=self.project,
            env=self.process_environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self,
        *arguments: str,
        expect: int | None = 0,
        variables: dict[str, str] | None = None,
        runner: bool = False,
        timeout: float = 60,
    ) -> Ran:
        """Run gonogo to its end. The exit code must be the expected one, unless that is None."""
        return self.finish(
            self.start(*arguments, variables=variables, runner=runner),
            expect=expect,
            timeout=timeout,
        )

    def finish(
        self, process: subprocess.Popen[str], *, expect: int | None = 0, timeout: float = 60
    ) -> Ran:
        """Wait for a command that was started."""
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            raise AssertionError(f"not over after {timeout} s\n{output}\n{errors}") from None
        ran = Ran(code=process.returncode, output=output, errors=errors)
        if expect is not None:
            assert ran.code == expect, f"exit code {ran.code}, not {expect}\n{ran.text}"
        assert "Traceback" not in ran.text, ran.text
        return ran

    def deploy(self) -> None:
        """The first release."""
        self.run("deploy")

    # -- what is there --------------------------------------------------------------------------

    def events(self, kind: str = "", run: str = "") -> list[dict[str, Any]]:
        """The journal's events in order."""
        path = self.data / "journal.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as journal:
            rows = journal.execute(
                "SELECT sequence, run, step, attempt, kind, at, body FROM events ORDER BY sequence"
            ).fetchall()
        names = ("sequence", "run", "step", "attempt", "kind", "at", "body")
        every = [dict(zip(names, row, strict=True)) for row in rows]
        return [
            {**one, "body": json.loads(one["body"])}
            for one in every
            if (not kind or one["kind"] == kind) and (not run or one["run"] == run)
        ]

    def last_run(self) -> str:
        """The id of the newest run; empty when there is none."""
        planned = self.events("planned")
        return planned[-1]["run"] if planned else ""

    def outcome(self) -> str:
        """How the newest run ended; empty while it has not."""
        ended = self.events("ended", self.last_run())
        return ended[-1]["body"]["outcome"] if ended else ""

    def commands(self) -> Counter[str]:
        """How often each command of the application ran, by command and version number."""
        path = self.project / "commands.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return Counter(" ".join(line.split()[:2]) for line in lines)

    def serving(self) -> int:
        """The version number that answers users; 0 when nobody does."""
        try:
            with urllib.request.urlopen(f"{self.url}/version", timeout=5) as answer:
                number: int = json.loads(answer.read())["number"]
                return number
        except (urllib.error.URLError, OSError, ValueError):
            return 0

    def holder(self) -> dict[str, Any] | None:
        """Who holds the environment, as the lock on the target says."""
        numbers = [int(path.stem) for path in (self.target / "lock").glob("*.json")]
        if not numbers:
            return None
        content = json.loads((self.target / f"lock/{max(numbers)}.json").read_text())
        held: dict[str, Any] | None = content["holder"]
        return held

    def live(self) -> dict[str, Any] | None:
        """The manifest of the live release."""
        path = self.target / "live.json"
        if not path.exists():
            return None
        name = json.loads(path.read_text())["release"]
        manifest: dict[str, Any] = json.loads((self.target / f"releases/{name}.json").read_text())
        return manifest

    def processes(self) -> list[tuple[int, str]]:
        """Every process of this site: id and command line."""
        own = str(self.programs).encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if own in (entry / "environ").read_bytes():
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    found.append((int(entry.name), b" ".join(words).decode(errors="replace")))
        return [(pid, line) for pid, line in found if line and pid != os.getpid()]

    def snapshot(self) -> dict[str, Any]:
        """All that a run leaves, in words that do not depend on ids, times and numbers."""
        names = self._release_names()
        live = self.live()
        return {
            "live": names.get(live["release"]["id"]) if live else None,
            "good": {
                names[path.stem]: json.loads(path.read_text())["good"]
                for path in (self.target / "releases").glob("*.json")
            },
            "instances": sorted(
                _renamed(path.stem, names) for path in (self.target / "instances").glob("*.json")
            ),
            "traffic": self._place(self.serving(), names),
            "lock": self.holder(),
            "database": self._database(),
            "files": self._files(names),
            "processes": self._settled_processes(names),
            "temporary": self._temporary(),
        }

    def _release_names(self) -> dict[str, str]:
        """Release ids by age: newest, newest-1, ..."""
        found = {path.stem for path in (self.target / "releases").glob("*.json")}
        found |= {path.name for path in (self.target / "releases").iterdir() if path.is_dir()}
        ordered = sorted(
            found, key=lambda id: (id.rpartition(".")[0], int(id.rpartition(".")[2])), reverse=True
        )
        return {id: f"newest-{place}" for place, id in enumerate(ordered)}

    def _place(self, number: int, names: dict[str, str]) -> str:
        """The release that has this version number, in words."""
        for id, name in names.items():
            path = self.target / f"releases/{id}/release.json"
            if path.exists() and json.loads(path.read_text())["number"] == number:
                return name
        return "nobody"

    def _database(self) -> dict[str, Any]:
        path = self.project / "shop.db"
        if not path.exists():
            return {}
        with closing(sqlite3.connect(path)) as database:
            numbers = [n for (n,) in database.execute("SELECT number FROM applied ORDER BY 1")]
            columns = [row[1] for row in database.execute("PRAGMA table_info(orders)")]
            totals = [total for (total,) in database.execute("SELECT total FROM orders")]
        count = len(numbers)
        return {
            "each migration once": numbers == list(range(1, count + 1)),
            "a column for each": [c for c in columns if c.startswith("added_")]
            == [f"added_{n}" for n in numbers],
            "each counted once": totals == [count] * 3,
        }

    def migrations(self) -> int:
        """How many migrations were applied."""
        with closing(sqlite3.connect(self.project / "shop.db")) as database:
            found: int = database.execute("SELECT count(*) FROM applied").fetchone()[0]
            return found

    def _files(self, names: dict[str, str]) -> list[str]:
        """What lies in the target folder, by kind."""
        kinds = set()
        for path in self.target.rglob("*"):
            parts = path.relative_to(self.target).parts
            if parts[0] == "logs" or path.is_dir():
                continue
            if parts[0] == "lock":
                parts = ("lock", "number")
            if parts[0] == "copies":
                parts = ("copies", re.sub(r"\d{4}-\d\d-\d\d\.\d+", "release", parts[1]))
            kinds.add(_renamed("/".join(parts), names))
        return sorted(kinds)

    def _settled_processes(self, names: dict[str, str]) -> list[str]:
        """What runs once everything that is on its way out has gone."""
        limit = time.monotonic() + 8
        while True:
            found = self._process_names(names)
            strange = [one for one in found if one.startswith("?")]
            if not strange or time.monotonic() > limit:
                return found
            time.sleep(0.1)

    def _process_names(self, names: dict[str, str]) -> list[str]:
        found = []
        for pid, line in self.processes():
            mark = _mark(pid)
            if "supervisor.supervisord" in line:
                found.append("supervisord")
            elif mark:
                found.append(_renamed(mark, names))
            else:
                found.append(f"? {line}")
        return sorted(found)

    def _temporary(self) -> list[str]:
        """Files that only an interrupted write leaves."""
        below = [path for path in self.project.rglob("*") if LEFT_OVER.search(path.name)]
        return sorted(path.name for path in [*below, *self.temporary.iterdir()])

    # -- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        """End every process and remove every file, whatever state they are in."""
        for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
            until = time.monotonic() + patience
            while (left := self.processes()) and time.monotonic() < until:
                for pid, _ in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
                time.sleep(0.1)
        if self._claim:
            self._claim.close()
        assert not self.processes(), self.processes()
        shutil.rmtree(self.folder)
        assert not self.folder.exists()


def until(true: Callable[[], Any], what: str, limit: float = 20) -> Any:
    """Wait until something is so, and return it."""
    end = time.monotonic() + limit
    while True:
        if found := true():
            return found
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


@dataclass
class Terminal:
    """gonogo on a pseudo-terminal, as a person has it."""

    site: Site
    arguments: Sequence[str]
    text: str = ""

    def __post_init__(self) -> None:
        self.pid, self._screen = pty.fork()
        if self.pid == 0:
            os.chdir(self.site.project)
            program = str(self.site.programs / "gonogo")
            os.execve(
                program,
                [program, *self.arguments],
                self.site.process_environment({"TERM": "xterm"}),
            )
        os.set_blocking(self._screen, False)

    def until(self, words: str, limit: float = 20) -> None:
        """Wait until the screen has shown these words."""
        until(lambda: words in self._read(), f"{words!r} on the screen: {self.text}", limit)

    def type(self, keys: str) -> None:
        """Press keys; \x03 is Ctrl-C."""
        os.write(self._screen, keys.encode())

    def end(self, limit: float = 30) -> int:
        """The exit code."""

        def ended() -> tuple[int, int] | None:
            self._read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (pid, status) if pid else None

        _, status = until(ended, f"the command ends: {self.text}", limit)
        self._read()
        os.close(self._screen)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> str:
        with suppress(BlockingIOError, OSError):
            while chunk := os.read(self._screen, 65536):
                self.text += chunk.decode(errors="replace")
        return self.text


def _claim_port() -> tuple[int, socket.socket]:
    """A free port, and what keeps other tests of this machine from taking the same."""
    for port in PORTS:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0gonogo-acceptance-{port}")
            with socket.socket() as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        return port, claim
    raise AssertionError("no free port")


def _mark(pid: int) -> str:
    """The name of the program that a process belongs to, as the local engine marked it."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    for one in variables:
        if one.startswith(b"GONOGO_INSTANCE="):
            return one.decode().partition("/")[2]
    return ""


def _renamed(text: str, names: dict[str, str]) -> str:
    """The text with release ids in words; longer ids first."""
    for id in sorted(names, key=len, reverse=True):
        text = text.replace(id, names[id])
    return text


def texts_in(path: Path) -> Iterable[str]:
    """Every text in a SQLite file as it can be read: as it is, and decoded from base64."""
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    yield from _readings(value)


def _readings(value: object) -> Iterable[str]:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    yield text
    with suppress(ValueError):
        yield base64.b64decode(text, validate=True).decode(errors="replace")
    with suppress(ValueError):
        yield from _leaves(json.loads(text))


def _leaves(value: Any) -> Iterable[str]:
    """Every text inside a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)

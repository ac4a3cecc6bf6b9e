"""The thin control of supervisord: one per root folder, reached over a unix socket.

Supervisor keeps the processes of an environment running after the command that started them has
ended. Programs come and go at run time: each has its own include file, so that a supervisord that
is started again brings all of them back.
"""

from __future__ import annotations

import asyncio
import http.client
import math
import os
import shlex
import socket
import sys
import tempfile
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.engines import _files, _processes
from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.ports import Clock

_LONGEST_SOCKET = 100
"""Unix sockets have at most 107 bytes, and Supervisor first makes one with a suffix."""
_UNQUOTABLE = set("%;#\"'\\\n[]*?")
_BAD_NAME = 10
_ALREADY_STARTED = 60
_NOT_RUNNING = 70
_ALREADY_ADDED = 90
_STILL_RUNNING = 91
ENDED = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
SETTLED = 3
"""Seconds a process must live. One that ends sooner is started again after 1, 2, 3, ... seconds."""
_RETRIES = 1_000_000
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")


@dataclass(frozen=True, kw_only=True)
class State:
    """What supervisord says about a program. Times are in seconds since the epoch."""

    name: str
    state: str
    pid: int
    started: float
    now: float
    exit_status: int
    problem: str


class Supervisor:
    """The supervisord of one root folder. Nothing is written or reached before a method is used."""

    def __init__(self, *, root: Path, clock: Clock) -> None:
        self.root = root.absolute()
        self.folder = self.root / "supervisor"
        self.programs = self.folder / "programs"
        self.logs = self.root / "logs"
        self._clock = clock

    @property
    def socket(self) -> Path:
        """Where supervisord listens.

        Not $XDG_RUNTIME_DIR for long paths: it differs between sessions and goes with the session.
        """
        near = self.folder / "supervisor.sock"
        if len(os.fsencode(near)) <= _LONGEST_SOCKET:
            return near
        return Path("/tmp") / f"gonogo-{os.getuid()}" / f"{_processes.root_key(self.root)}.sock"

    def kept_logs(self) -> list[Path]:
        """The logs of all instances there ever were, as far as they are kept."""
        return list(self.logs.glob("*--*--*.log"))

    def log(self, name: str) -> Path:
        """The log of a program."""
        return self.logs / f"{name}.log"

    def include(self, name: str) -> Path:
        """The include file of a program."""
        return self.programs / f"{name}.conf"

    async def answers(self) -> bool:
        """Whether supervisord runs."""
        try:
            await self._call("getState")
        except TemporaryError:
            return False
        return True

    async def states(self) -> dict[str, State]:
        """All programs by name."""
        return {info["group"]: _state(info) for info in await self._call("getAllProcessInfo")}

    async def install(self, name: str, include: str) -> None:
        """Start a program from this include file, whatever was left of it before."""
        for folder in (self.programs, self.logs):
            _files.private_folder(folder)
        await self._forget(name, 60.0)
        _files.write(self.include(name), include.encode())
        await self._call("reloadConfig")
        await self._call("addProcessGroup", name, accept=(_ALREADY_ADDED,))
        await self._call("startProcess", f"{name}:{name}", False, accept=(_ALREADY_STARTED,))

    def keep(self, name: str, include: str) -> None:
        """Make sure that a program which runs would also come back."""
        if not self.include(name).exists():
            _files.write(self.include(name), include.encode())

    async def uninstall(self, name: str, grace: float) -> None:
        """Stop a program and forget it."""
        _files.remove(self.include(name))
        await self._forget(name, grace)

    async def _forget(self, name: str, grace: float) -> None:
        while True:
            await self._stop(name, grace)
            accept = (_BAD_NAME, _STILL_RUNNING)
            answer = await self._call("removeProcessGroup", name, accept=accept)
            if answer != _STILL_RUNNING:  # it was about to start by itself
                return

    async def _stop(self, name: str, grace: float) -> None:
        """Stop a program and return when it has ended. Supervisor itself keeps the grace."""
        until = self._clock.now() + grace + 15.0
        while (state := (await self.states()).get(name)) and state.state not in ENDED:
            if self._clock.now() > until:
                raise TemporaryError(
                    f"{name} does not end (pid {state.pid})", next_step=f"look at {self.log(name)}"
                )
            if state.state != "STOPPING":
                accept = (_NOT_RUNNING, _BAD_NAME)
                await self._call("stopProcess", f"{name}:{name}", False, accept=accept)
            await self._clock.sleep(0.05)

    async def start(self) -> None:
        """Start supervisord, which detaches itself and starts every program with an include."""
        bad = _UNQUOTABLE & set(str(self.root))
        if bad:
            raise PermanentError(f"{self.root} has characters that Supervisor cannot take: {bad}")
        for folder in (self.root, self.folder, self.programs, self.logs, self.socket.parent):
            _files.private_folder(folder)
        path = self.folder / "supervisord.conf"
        _files.write(path, self._configuration().encode())
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        with tempfile.TemporaryFile() as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(path)),
                cwd=self.root,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            code = await process.wait()
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if code != 0 and not await self.answers():
            raise TemporaryError(f"supervisord did not start: {said[-500:]}")
        await self._until_answering()

    async def shutdown(self) -> None:
        """Stop supervisord with all its programs and return when it is gone."""
        pid = await self._call("getPID")
        await self._call("shutdown")
        until = self._clock.now() + 120.0
        # Asking first: supervisord looks after its children once a second, or when it is asked.
        while await self.answers() or _is_supervisord(pid):
            if self._clock.now() > until:
                raise TemporaryError(f"supervisord does not end (pid {pid})")
            await self._clock.sleep(0.05)

    async def _until_answering(self) -> None:
        until = self._clock.now() + 10.0
        while not await self.answers():
            if self._clock.now() > until:
                raise TemporaryError(
                    "supervisord does not answer",
                    next_step=f"look at {self.folder / 'supervisord.log'}",
                )
            await self._clock.sleep(0.05)

    async def _call(self, method: str, *arguments: Any, accept: tuple[int, ...] = ()) -> Any:
        try:
            return await asyncio.to_thread(_ask, str(self.socket), method, arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in accept:
                return fault.faultCode
            raise TemporaryError(f"supervisord refused {method}: {fault.faultString}") from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as problem:
            raise TemporaryError(
                f"supervisord does not answer on {self.socket}",
                next_step="the next release starts it again",
            ) from problem

    def _configuration(self) -> str:
        folder = self.folder
        return f"""\
[unix_http_server]
file={self.socket}
chmod=0600

[supervisord]
identifier=gonogo-{_processes.root_key(self.root)}
logfile={folder}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
pidfile={folder}/supervisord.pid
childlogdir={folder}
umask=077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files=programs/*.conf
"""


def include_text(
    *, name: str, argv: list[str], mark: str, log: Path, grace: float, settled: int = SETTLED
) -> str:
    """The include file of a program. It never holds a secret.

    The log keeps three old parts of 10 MB. Restarts never end: a process that dies within
    settled seconds waits one second longer each time, one that dies later starts again at once.
    """
    return f"""\
[program:{name}]
command={shlex.join(argv)}
environment={_processes.MARK}="{mark}"
autostart=true
autorestart=true
startsecs={settled}
startretries={_RETRIES}
stopsignal=TERM
stopwaitsecs={math.ceil(grace)}
stopasgroup=true
killasgroup=true
umask=022
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def _state(info: dict[str, Any]) -> State:
    return State(
        name=info["group"],
        state=info["statename"],
        pid=info["pid"],
        started=info["start"],
        now=info["now"],
        exit_status=info["exitstatus"],
        problem=info["spawnerr"],
    )


def _is_supervisord(pid: int) -> bool:
    """Whether that process still runs; one that only waits to be collected does not."""
    try:
        return b"supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _ask(path: str, method: str, arguments: tuple[Any, ...]) -> Any:
    if os.lstat(path).st_uid != os.getuid():
        raise PermanentError(f"{path} belongs to another user")
    body = xmlrpc.client.dumps(arguments, f"supervisor.{method}")
    connection = _Connection(path)
    try:
        connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise http.client.HTTPException(f"status {answer.status}")
        values, _ = xmlrpc.client.loads(answer.read())
        return values[0]
    finally:
        connection.close()

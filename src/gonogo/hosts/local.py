"""This machine as a host: commands as child processes, files on its disk.

Every command leads a process group of its own, so that a timeout or a cancelled step ends all of
it. Two things keep commands from going on unseen when gonogo itself is killed:

- a guardian: a small shell that waits on a pipe which only gonogo holds open. When gonogo dies,
  however it dies, the kernel closes the pipe and the guardian ends the command's group. (The
  kernel's own parent-death signal fires when the THREAD that started a child ends, so it is not
  used.)
- a mark: the variable GONOGO_RUN in the environment of every command. A resumed run ends what
  still carries its mark (`end_orphans`) before it repeats a step. A long-running part that is
  meant to outlive the run is started with that variable empty.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.hosts._files import read_file, remove_file, write_file
from gonogo.model.configuration import Command, Shell
from gonogo.model.duration import spoken
from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.secret import Secret
from gonogo.ports import Completed, Host, Say

MARK = "GONOGO_RUN"
"""The variable that marks every process of a run."""

LONGEST_LINE = 64 * 1024
"""A longer line is cut: nobody reads it, and it must not fill the journal."""

KEPT_OUTPUT = 64 * 1024
STOP_GRACE = 5.0
_QUIET = 0.5
"""How long the output must be silent after the end of a command before it counts as complete."""
_PATIENCE = 5.0
"""How long a process left in the background may keep writing into a finished command's output."""

_BASE = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
    *("XDG_RUNTIME_DIR", "DOCKER_HOST", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)

_GUARDIAN = """
read -r group || exit 0
[ "$group" = done ] && exit 0
read -r end && exit 0
kill -s TERM -- "-$group"
sleep 5
kill -s KILL -- "-$group"
"""


class LocalHost:
    """Runs commands on this machine. mark is the id of the run they belong to."""

    def __init__(self, mark: str = "") -> None:
        self._mark = mark

    async def run(
        self,
        command: Command,
        *,
        cwd: str,
        environment: Mapping[str, str | Secret],
        timeout: float,
        say: Say,
    ) -> Completed:
        """Run to the end. TemporaryError on timeout; cancelled: the process group is ended."""
        argv = _argv(command)
        variables = self._variables(environment)
        started = time.monotonic()
        both, alone = _Kept(), _Kept()
        streams = [_Lines(say, [both, alone]), _Lines(say, [both])]
        async with _guarded() as guard:
            pipes = [await _pipe(), await _pipe()]
            try:
                writing = [pipe.writing for pipe in pipes]
                process = await _spawn(argv, cwd, variables, writing, guard)
                follow = [
                    stream.follow(pipe.reader) for stream, pipe in zip(streams, pipes, strict=True)
                ]
                await _finish(process, follow, streams, timeout)
            except TimeoutError:
                raise TemporaryError(
                    f"{argv[0] if isinstance(command, tuple) else command.shell} "
                    f"was stopped: it took longer than {spoken(timeout)}"
                ) from None
            finally:
                for pipe in pipes:
                    pipe.transport.close()
        code = process.returncode if process.returncode is not None else -1
        return Completed(
            code=code,
            output=both.text(),
            stdout=alone.text(),
            seconds=time.monotonic() - started,
        )

    async def read(self, path: str) -> bytes | None:
        """A file's content; None when there is no such file."""
        return await asyncio.to_thread(read_file, Path(path))

    async def write(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        """Write a 0600 file whole or not at all. exclusive: False if it was there already."""
        return await asyncio.to_thread(write_file, Path(path), content, exclusive)

    async def remove(self, path: str) -> None:
        """Remove a file; nothing happens when there is none."""
        await asyncio.to_thread(remove_file, Path(path))

    async def end_orphans(self, run: str) -> list[int]:
        """End what a dead worker of a run left behind; answers the process ids found."""
        found = sorted(orphans(run))
        deadline = time.monotonic() + STOP_GRACE
        left = found
        while left:
            late = time.monotonic() >= deadline
            for pid in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            await asyncio.sleep(0.1)
            if late and time.monotonic() >= deadline + STOP_GRACE:
                raise PermanentError(
                    f"processes of run {run} cannot be ended: {left}",
                    next_step="end them by hand, then resume the run",
                )
            left = orphans(run)
        return found

    def _variables(self, environment: Mapping[str, str | Secret]) -> dict[str, str]:
        """The only place where secrets turn into text: the environment of a process."""
        variables = {name: os.environ[name] for name in _BASE if name in os.environ}
        if self._mark:
            variables[MARK] = self._mark
        for name, value in environment.items():
            variables[name] = value.reveal() if isinstance(value, Secret) else value
        return variables


def orphans(mark: str) -> list[int]:
    """Processes that carry the mark of a run. Where there is no /proc, none are found."""
    if not mark:
        return []
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables:
            found.append(pid)
    return found


class _Kept:
    """The last lines, at most 64 KiB."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._size = 0

    def add(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line.encode())
        while self._size > KEPT_OUTPUT and len(self._lines) > 1:
            self._size -= len(self._lines.popleft().encode())

    def text(self) -> str:
        return "".join(self._lines)


class _Lines:
    """Cuts a stream of bytes into lines, says each, and keeps the last ones."""

    def __init__(self, say: Say, kept: Sequence[_Kept]) -> None:
        self._say = say
        self._rest = bytearray()
        self._cut = False
        self._kept = kept
        self.last = time.monotonic()

    async def follow(self, reader: asyncio.StreamReader) -> None:
        """Read to the end of the stream."""
        while chunk := await reader.read(LONGEST_LINE):
            self.last = time.monotonic()
            self._take(chunk)

    def flush(self) -> None:
        """Say what came after the last line break."""
        if self._rest:
            self._line("")

    def _take(self, chunk: bytes) -> None:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            self._append(piece)
            self._line("\n")
        self._append(rest)

    def _append(self, piece: bytes) -> None:
        space = LONGEST_LINE - len(self._rest)
        self._rest += piece[:space]
        self._cut = self._cut or len(piece) > space

    def _line(self, ending: str) -> None:
        text = self._rest.decode("utf-8", "replace").rstrip("\r")
        if self._cut:
            text += " [line cut]"
        self._rest.clear()
        self._cut = False
        for kept in self._kept:
            kept.add(text + ending)
        self._say(text)


def _argv(command: Command) -> tuple[str, ...]:
    if isinstance(command, Shell):
        return ("/bin/sh", "-c", command.shell)
    if not command:
        raise PermanentError("an empty command cannot be run")
    return command


@asynccontextmanager
async def _guarded() -> AsyncIterator[Callable[[], None]]:
    """A guardian that ends a command's process group if this process dies within the block.

    It gives what the command calls between fork and exec: one write of its own process id, so that
    there is no moment in which the command runs and the guardian does not know it.
    """
    guardian = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", _GUARDIAN),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath)},
        start_new_session=True,
    )
    stdin = guardian.stdin
    assert stdin is not None
    try:
        pipe = stdin.transport.get_extra_info("pipe").fileno()
        yield lambda: _announce(pipe)
    finally:
        stdin.write(b"done\n")
        stdin.close()
        await guardian.wait()


def _announce(pipe: int) -> None:
    os.write(pipe, b"%d\n" % os.getpid())


@dataclass(frozen=True, kw_only=True)
class _Pipe:
    """A pipe's reading end in asyncio and its writing end for a child."""

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport
    writing: int


async def _pipe() -> _Pipe:
    """A pipe of our own: asyncio's would make wait() wait for processes in the background."""
    reading, writing = os.pipe()
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
    )
    return _Pipe(reader=reader, transport=transport, writing=writing)


async def _spawn(
    argv: tuple[str, ...],
    cwd: str,
    variables: dict[str, str],
    writing: Sequence[int],
    announce: Callable[[], None],
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing[0],
            stderr=writing[1],
            cwd=cwd,
            env=variables,
            start_new_session=True,
            preexec_fn=announce,
        )
    except (OSError, ValueError) as error:
        raise _cannot_start(argv[0], cwd, variables, error) from None
    finally:
        for descriptor in writing:
            os.close(descriptor)


def _cannot_start(
    program: str, cwd: str, variables: dict[str, str], error: OSError | ValueError
) -> PermanentError:
    if not os.path.isdir(cwd):
        return PermanentError(f"{program} cannot be run: there is no folder {cwd}")
    if isinstance(error, FileNotFoundError):
        found = shutil.which(program, path=variables.get("PATH"))
        if found is None or not os.path.exists(program):
            return PermanentError(
                f"command not found: {program}", next_step=f"install {program} or correct its name"
            )
        return PermanentError(f"{program} cannot be run: its interpreter is missing")
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return PermanentError(f"{program} cannot be run: {reason}")


async def _finish(
    process: asyncio.subprocess.Process,
    follow: Sequence[Coroutine[Any, Any, None]],
    streams: Sequence[_Lines],
    limit: float,
) -> None:
    """Follow a command to its end; when that is cut short, end its whole group."""
    reading = asyncio.ensure_future(asyncio.gather(*follow))
    ended = asyncio.create_task(process.wait())
    try:
        async with asyncio.timeout(limit):
            either: set[asyncio.Future[Any]] = {reading, ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            await ended
        await _drain(reading, streams)
    except BaseException:
        await _end(process)
        raise
    finally:
        for task in (reading, ended):
            task.cancel()
    for stream in streams:
        stream.flush()


async def _drain(reading: asyncio.Future[Any], streams: Sequence[_Lines]) -> None:
    """Read the rest. A process left in the background keeps the pipe open: do not wait for it."""
    limit = time.monotonic() + _PATIENCE
    for stream in streams:
        stream.last = time.monotonic()
    while not reading.done():
        now = time.monotonic()
        if now >= limit or now - max(stream.last for stream in streams) >= _QUIET:
            return
        await asyncio.wait({reading}, timeout=0.05)
    reading.result()


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM to the group, a while, SIGKILL; at once SIGKILL when cancelled again."""
    try:
        _signal(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE
        while time.monotonic() < deadline and _signal(process.pid, 0):
            await asyncio.sleep(0.02)
    finally:
        _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: int) -> bool:
    """Whether the group was there to get it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


FITS: type[Host] = LocalHost

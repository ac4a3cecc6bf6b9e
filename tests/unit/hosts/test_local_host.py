"""LocalHost with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gonogo.hosts.local import LONGEST_LINE, LocalHost, orphans
from gonogo.model.configuration import Command, Shell
from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.secret import Secret
from gonogo.ports import Completed


def run(
    command: Command,
    *,
    environment: dict[str, str | Secret] | None = None,
    cwd: str = "/",
    timeout: float = 20,
    said: list[str] | None = None,
    mark: str = "",
) -> Completed:
    lines = [] if said is None else said
    return asyncio.run(
        LocalHost(mark).run(
            command, cwd=cwd, environment=environment or {}, timeout=timeout, say=lines.append
        )
    )


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie nobody collects has ended too)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] in ("Z", "X")


def wait_until_gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if gone(pid):
            return True
        time.sleep(0.02)
    return gone(pid)


def wait_for_file(path: Path) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def test_output_is_merged_and_said_line_by_line() -> None:
    said: list[str] = []
    done = run(Shell(shell="echo one; echo two >&2; printf three; exit 3"), said=said)
    assert (done.code, done.output, said) == (3, "one\ntwo\nthree", ["one", "two", "three"])


def test_lines_are_said_while_the_command_runs() -> None:
    times: list[float] = []

    async def scene() -> None:
        await LocalHost().run(
            Shell(shell="echo a; sleep 0.4; echo b"),
            cwd="/",
            environment={},
            timeout=9,
            say=lambda line: times.append(time.monotonic()),
        )

    asyncio.run(scene())
    assert times[1] - times[0] > 0.25


def test_a_shell_line_runs_verbatim() -> None:
    text = """for x in 'a b' "c"; do printf '%s|' "$x"; done; echo "$NAME" | tr a-z A-Z"""
    assert run(Shell(shell=text), environment={"NAME": "ann"}).output == "a b|c|ANN\n"


def test_arguments_are_not_interpreted() -> None:
    assert run(("printf", "%s", "$HOME `id` *")).output == "$HOME `id` *"


def test_stdin_is_empty() -> None:
    assert run(("cat",)).output == ""


def test_a_very_long_line_is_cut_and_the_rest_goes_on() -> None:
    said: list[str] = []
    script = "import sys; sys.stdout.write('x' * 5_000_000 + '\\nend\\n')"
    run((sys.executable, "-c", script), said=said)
    assert said == ["x" * LONGEST_LINE + " [line cut]", "end"]


def test_only_the_last_64_kib_are_kept_in_whole_lines() -> None:
    said: list[str] = []
    done = run(("seq", "1", "100000"), said=said)
    assert len(said) == 100000
    assert 60_000 < len(done.output) <= 64 * 1024
    assert done.output.endswith("\n99999\n100000\n") and done.output.split("\n")[0] in said


def test_bytes_that_are_no_text_do_no_harm() -> None:
    said: list[str] = []
    run(("printf", r"\377\376 a\0b\nok\n"), said=said)
    assert said == ["\ufffd\ufffd a\0b", "ok"]


def test_the_environment_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    monkeypatch.setenv("GONOGO_RUN", "another")
    names = {line.split("=")[0] for line in run(("env",), environment={"A": "1"}).output.split()}
    assert "PATH" in names and "A" in names
    assert not names & {"AWS_SECRET_ACCESS_KEY", "GONOGO_RUN", "PYTHONPATH"}


def test_a_secret_reaches_the_environment_and_no_command_line(tmp_path: Path) -> None:
    value = "hunter2-" + os.urandom(6).hex()
    seen = tmp_path / "seen"
    script = f'echo "$TOKEN" > {seen}; ps -eo args'
    done = run(Shell(shell=script), environment={"TOKEN": Secret(value)})
    assert seen.read_text().strip() == value
    assert done.code == 0 and value not in done.output


@pytest.mark.parametrize(
    ("command", "cwd", "text"),
    [
        (("no-such-program-xyz",), "/", "command not found: no-such-program-xyz"),
        (("ls",), "/no/such/folder", "no folder /no/such/folder"),
        (("/etc",), "/", "/etc cannot be run"),
        (("echo", "a\0b"), "/", "echo cannot be run"),
        ((), "/", "empty command"),
    ],
)
def test_what_cannot_be_started_is_named(command: Command, cwd: str, text: str) -> None:
    with pytest.raises(PermanentError, match=text):
        run(command, cwd=cwd)


def test_a_timeout_ends_grandchildren_too(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"sh -c 'echo $$ > {pid}; exec sleep 60' & wait"
    started = time.monotonic()
    with pytest.raises(TemporaryError, match="longer than"):
        run(Shell(shell=script), timeout=0.5)
    assert time.monotonic() - started < 8
    assert wait_until_gone(int(pid.read_text()))


def test_what_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gonogo.hosts.local.STOP_GRACE", 0.5)
    pid = tmp_path / "pid"
    script = f"trap '' TERM; echo $$ > {pid}; while :; do sleep 0.1; done"
    with pytest.raises(TemporaryError):
        run(Shell(shell=script), timeout=0.3)
    assert wait_until_gone(int(pid.read_text()))


@pytest.mark.parametrize("times", [1, 2])
def test_cancelling_ends_the_whole_group(tmp_path: Path, times: int) -> None:
    pid = tmp_path / "pid"
    script = (
        f"trap '' TERM; sh -c 'echo $$ > {pid}; sleep 60' & wait"
        if times == 2
        else (f"sh -c 'echo $$ > {pid}; exec sleep 60' & wait")
    )

    async def scene() -> None:
        work = asyncio.create_task(
            LocalHost().run(
                Shell(shell=script), cwd="/", environment={}, timeout=60, say=lambda line: None
            )
        )
        while not (pid.exists() and pid.read_text()):
            await asyncio.sleep(0.01)
        for _ in range(times):
            work.cancel()
            await asyncio.sleep(0.1)
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(scene())
    assert wait_until_gone(int(pid.read_text()))


def test_an_error_in_say_ends_the_command(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def say(line: str) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(
            LocalHost().run(
                Shell(shell=f"echo $$ > {pid}; echo hello; exec sleep 60"),
                cwd="/",
                environment={},
                timeout=60,
                say=say,
            )
        )
    assert wait_until_gone(int(pid.read_text()))


def test_a_process_in_the_background_does_not_hold_up_the_end(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    started = time.monotonic()
    done = run(Shell(shell=f"sleep 30 & echo $! > {pid}; echo ready"))
    try:
        assert (done.code, done.output) == (0, "ready\n")
        assert time.monotonic() - started < 4
        assert not gone(int(pid.read_text()))
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


SCRIPT = """
import asyncio, sys
from gonogo.hosts.local import LocalHost
from gonogo.model.configuration import Shell
asyncio.run(LocalHost(sys.argv[1]).run(Shell(shell=sys.argv[2]), cwd="/", environment={},
            timeout=60, say=lambda line: None))
"""


def killed_gonogo(mark: str, shell: str, ready: Path) -> list[int]:
    """Start a process that runs a shell line, wait until it is ready, and kill it with -9."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, mark, shell],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    pids = [int(word) for word in wait_for_file(ready).split()]
    process.kill()
    process.wait()
    return pids


def test_a_killed_gonogo_takes_its_commands_along(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    shell = f"sleep 60 & echo $$ $! > {pid}; wait"
    for each in killed_gonogo("run-1", shell, pid):
        assert wait_until_gone(each)


def test_orphans_that_left_the_group_are_found_by_their_mark_and_ended(tmp_path: Path) -> None:
    mark, pid = f"run-{os.getpid()}-{time.time_ns()}", tmp_path / "pid"
    shell = f"setsid sh -c 'echo $$ > {pid}; exec sleep 60' & wait"
    [left] = killed_gonogo(mark, shell, pid)
    deadline = time.monotonic() + 5
    while orphans(mark) != [left] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert orphans(mark) == [left]
    assert orphans(mark + "x") == [] and orphans("") == []
    assert asyncio.run(LocalHost(mark).end_orphans(mark)) == [left]
    assert gone(left) and orphans(mark) == []
    assert asyncio.run(LocalHost(mark).end_orphans(mark)) == []


def test_a_part_started_without_the_mark_is_no_orphan() -> None:
    done = run(("env",), environment={"GONOGO_RUN": ""}, mark="run-1")
    assert "GONOGO_RUN=\n" in done.output
    assert "GONOGO_RUN=run-1\n" in run(("env",), mark="run-1").output


def test_commands_run_side_by_side() -> None:
    async def scene() -> list[Completed]:
        host = LocalHost()
        return await asyncio.gather(
            *(
                host.run(
                    ("sh", "-c", f"sleep 0.2; echo {n}"),
                    cwd="/",
                    environment={},
                    timeout=20,
                    say=lambda line: None,
                )
                for n in range(10)
            )
        )

    assert [done.output for done in asyncio.run(scene())] == [f"{n}\n" for n in range(10)]


def test_no_file_descriptor_stays_open() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    run(("true",))
    before = count()
    for _ in range(5):
        run(("true",))
        with pytest.raises(PermanentError):
            run(("no-such-program-xyz",))
    assert count() <= before


def test_files_are_private_whole_and_read_back(tmp_path: Path) -> None:
    async def scene() -> None:
        host, path = LocalHost(), str(tmp_path / "a" / "b" / "state.json")
        assert await host.read(path) is None
        assert await host.write(path, b"one")
        assert await host.write(path, b"\0two")
        assert await host.read(path) == b"\0two"
        assert await host.write(path, b"three", exclusive=True) is False
        assert await host.read(path) == b"\0two"
        await host.remove(path)
        await host.remove(path)
        assert await host.write(path, b"four", exclusive=True) is True

    asyncio.run(scene())
    file = tmp_path / "a" / "b" / "state.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "a", file.parent)} == {0o700}
    assert os.listdir(file.parent) == ["state.json"]


def test_of_many_exclusive_writers_one_wins(tmp_path: Path) -> None:
    async def scene() -> list[bool]:
        host, path = LocalHost(), str(tmp_path / "one")
        return await asyncio.gather(
            *(host.write(path, str(n).encode(), exclusive=True) for n in range(50))
        )

    assert sum(asyncio.run(scene())) == 1


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PermanentError, match="cannot write"):
        asyncio.run(LocalHost().write(str(tmp_path / "file" / "x"), b""))
    with pytest.raises(PermanentError, match="cannot read"):
        asyncio.run(LocalHost().read(str(tmp_path)))


def test_the_temporary_file_of_a_dead_writer_goes_with_the_next_write(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / f".a.json.{dead.pid}.abc.tmp").write_text("half")
    (tmp_path / f".a.json.{os.getpid()}.abc.tmp").write_text("being written")
    asyncio.run(LocalHost().write(str(tmp_path / "b.json"), b"{}"))
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f".a.json.{os.getpid()}.abc.tmp", "b.json"]

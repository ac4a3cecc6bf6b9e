"""Runs an application under uvicorn and ends it without dropping a request.

On SIGTERM the process says at once that it is not ready, serves on for
DRAIN_SECONDS so that a proxy can notice, then stops accepting, lets the requests
in flight finish and exits with 0.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal.settings import Settings

GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 75


@dataclass
class Readiness:
    """Whether this process wants requests, and if not, why."""

    reason: str = "starting"
    draining: bool = False

    def start(self) -> None:
        """Say that start-up is finished."""
        self.reason = ""

    def drain(self) -> None:
        """Say that the process is about to end."""
        self.draining = True
        self.reason = "stopping"


def ready_response(readiness: Readiness) -> Response:
    """Answer a question about readiness."""
    if readiness.draining or readiness.reason:
        return JSONResponse({"status": "not ready", "reason": readiness.reason}, 503)
    return JSONResponse({"status": "ready"})


class CloseWhileDraining:
    """Tells clients to close their connections while the process is about to end."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add ``Connection: close`` to a late answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            if self._readiness.draining and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_on)


class DrainingServer(uvicorn.Server):
    """A uvicorn server that announces its end before it stops accepting."""

    def __init__(self, config: uvicorn.Config, readiness: Readiness, drain_seconds: float) -> None:
        super().__init__(config)
        self._readiness = readiness
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal ends the process without waiting."""
        if self._stop_at is not None:
            self.force_exit = True
            return
        self._readiness.drain()
        self._stop_at = time.monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Stop when the time to drain is over; uvicorn asks ten times a second."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)


async def slow_response(request: Request) -> Response:
    """Answer after the number of seconds that the client asks for, five at most."""
    try:
        seconds = float(request.query_params.get("seconds", "1"))
    except ValueError:
        return JSONResponse({"error": "seconds must be a number"}, 400)
    seconds = min(max(seconds, 0.0), 5.0)
    await asyncio.sleep(seconds)
    return JSONResponse({"slept": seconds})


def serve(app: ASGIApp, settings: Settings, readiness: Readiness) -> int:
    """Serve until a signal ends the process, and return the exit code."""
    config = uvicorn.Config(
        CloseWhileDraining(app, readiness),
        host=settings.host,
        port=settings.port,
        lifespan="on",
        ws="none",
        log_level="info" if settings.access_log else "warning",
        access_log=settings.access_log,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = DrainingServer(config, readiness, settings.drain_seconds)
    server.run()
    return 0 if server.started else 1

"""Whether something accepts connections at an address.

Serves P13 and V4: the database and Redis that the variables name answer. The address of a variable
is never shown, only the variable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from gonogo.checks._judge import error, undecided
from gonogo.checks._web import in_words
from gonogo.model.configuration import Duration
from gonogo.model.duration import seconds, spoken
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, failed, passed
from gonogo.model.plan import Operation
from gonogo.ports import Check, Scene

PORTS = {
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "rediss": 6379,
    "mysql": 3306,
    "amqp": 5672,
    "smtp": 25,
    "http": 80,
    "https": 443,
}
"""The port of an address that names none."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Either url, such as `${DATABASE_URL}`, or host and port."""

    url: str = ""
    host: str = ""
    port: int = 0
    timeout: Duration = Duration("5s")

    def __post_init__(self) -> None:
        seconds(self.timeout)
        if self.url and (self.host or self.port):
            raise ValueError("either url, or host and port")
        if bool(self.host) != bool(self.port):
            raise ValueError("host and port belong together")

    @property
    def written(self) -> str:
        """The address with its references unresolved."""
        return self.url or f"{self.host}:{self.port}"


class Tcp:
    """Opens a connection and closes it."""

    settings = Settings
    stage = "before"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return [Operation(where="this machine", what=f"connect to {settings.written}")]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        if not (settings.url or settings.host):
            return undecided("no address is set, so there is nothing to judge")
        try:
            host, port = _address(settings, scene)
        except PermanentError as problem:
            return error(problem.message, where=settings.written)
        except ValueError:
            return error("not an address with a host and a port", where=settings.written)
        timeout, begun = seconds(settings.timeout), time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return failed(f"timed out after {timeout:g} s", where=settings.written)
        except OSError as problem:
            return failed(in_words(problem), where=settings.written)
        length = time.perf_counter() - begun
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return passed(f"connected in {spoken(length)}", where=settings.written, seconds=length)


def _address(settings: Settings, scene: Scene) -> tuple[str, int]:
    if settings.host:
        return scene.values.text(settings.host), settings.port
    parts = urlsplit(scene.values.text(settings.url))
    port = parts.port or PORTS.get(parts.scheme.partition("+")[0], 0)
    if not parts.hostname or not port:
        raise ValueError("no host or port")
    return parts.hostname, port


CHECK: Check[Settings] = Tcp()

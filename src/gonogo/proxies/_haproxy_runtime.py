"""HAProxy's runtime API: what it says about itself, and how it is told, without a reload."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gonogo.model.errors import TemporaryError
from gonogo.proxies._common import short
from gonogo.proxies._haproxy_config import CLOSED, COUNTS, ON, PLACE, SLOTS, SOCKET, Totals, entry

_ANSWERS_WITHIN = 5.0
_RUNNING = 2
_OUT = 0x01 | 0x08
"""Bits of srv_admin_state: forced into maintenance, forced to drain."""
_NO_IP = ("-", "0.0.0.0")
_COUNT = re.compile(r" gpc(\d+)=(\d+)")


@dataclass(frozen=True, kw_only=True)
class Server:
    """A slot of a backend as it is now.

    host is the name it follows, ip what that name resolved to (empty: nothing). in_force: it is
    there to get traffic. usable: it does get it.
    """

    slot: str
    host: str
    ip: str
    port: int
    in_force: bool
    usable: bool

    @property
    def address(self) -> str:
        """host:port; empty for one that never had a name."""
        return f"{self.host}:{self.port}" if self.host else ""


class Runtime:
    """Talks to the socket in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def ask(self, *commands: str) -> str:
        """Give commands, which HAProxy carries out one after the other; its answer."""
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN):
                return await self._ask("; ".join(commands))
        except OSError as problem:  # also of a time-out
            raise TemporaryError(
                f"HAProxy does not answer: {problem or 'it took too long'}",
                next_step="look at the log of the container gonogo-proxy",
            ) from problem

    async def tell(self, commands: Sequence[str]) -> None:
        """Give commands, if any. Whether they were carried out is to be looked at."""
        if commands:
            await self.ask(*commands)

    async def info(self) -> Mapping[str, str]:
        """What it says about itself: `description`, `node` and more."""
        return parse_info(await self.ask("show info"))

    async def servers(self) -> Mapping[str, Sequence[Server]]:
        """The slots of each backend."""
        return parse_servers(await self.ask("show servers state"))

    async def closed(self) -> bool:
        """Whether users get the maintenance page."""
        return f" {ON} " in await self.ask(f"show map {PLACE}/{CLOSED}")

    async def close(self, closed: bool) -> None:
        """Have users get the maintenance page, or no longer."""
        if await self.closed() != closed:
            what = f"add map {PLACE}/{CLOSED} {ON} 1" if closed else f"clear map {PLACE}/{CLOSED}"
            await self.tell([what])

    async def totals(self, service: str) -> Totals:
        """What was counted for a service."""
        return parse_totals(await self.ask("show info", f"show table {entry(service)}"))

    async def _ask(self, line: str) -> str:
        with short(self._folder) as folder:
            reader, writer = await asyncio.open_unix_connection(f"{folder}/{SOCKET}")
        try:
            writer.write(f"{line}\n".encode())
            answer = (await reader.read()).decode()
        finally:
            writer.close()
        if not answer.endswith("\n"):
            raise ConnectionError("its answer breaks off")
        return answer


def parse_servers(text: str) -> Mapping[str, Sequence[Server]]:
    """`show servers state`: a version, a line of names, a line for each server."""
    _, names, *lines = text.strip().splitlines()
    found: dict[str, list[Server]] = {}
    for line in lines:
        row = dict(zip(names.lstrip("# ").split(), line.split(), strict=True))
        if row["srv_name"] not in SLOTS:
            continue
        ip = "" if row["srv_addr"] in _NO_IP else row["srv_addr"]
        in_force = not int(row["srv_admin_state"]) & _OUT
        server = Server(
            slot=row["srv_name"],
            host="" if row["srv_fqdn"] == "-" else row["srv_fqdn"],
            ip=ip,
            port=int(row["srv_port"]),
            in_force=in_force,
            usable=in_force and bool(ip) and int(row["srv_op_state"]) == _RUNNING,
        )
        found.setdefault(row["be_name"], []).append(server)
    return found


def parse_info(text: str) -> Mapping[str, str]:
    """`show info`: a name and a value in each line."""
    lines = (line.partition(": ") for line in text.splitlines())
    return {name: value for name, _, value in lines}


def parse_totals(text: str) -> Totals:
    """`show info`, and `show table`, which has no line before the first request."""
    counts = {int(index): int(count) for index, count in _COUNT.findall(text)}
    return Totals(
        started=int(parse_info(text)["Start_time_sec"]),
        counts=tuple(counts.get(index, 0) for index in range(COUNTS)),
    )

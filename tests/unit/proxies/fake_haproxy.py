"""An HAProxy of one service in memory, with the part of the runtime API that gonogo uses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

_NAMES = "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_fqdn srv_port"
OWN = "fbde82e64dfc"
_SERVER = re.compile(r"server (s\d+) (\S+):(\d+)( disabled)?")


@dataclass
class Slot:
    """A server as HAProxy has it."""

    name: str = ""
    ip: str = ""
    port: int = 1
    ready: bool = False


class FakeHaproxy:
    """Names are resolved at once, by dns. After so many commands it breaks the connection."""

    def __init__(self, folder: Path, dns: dict[str, str]) -> None:
        self.dns = {**dns, OWN: "10.0.0.99"}
        self.breaks_after = 1_000_000
        self.asked: list[str] = []
        self.answered = 0
        self._folder = folder
        self._starts = 0
        self._slots: dict[str, Slot] = {}

    def start(self) -> None:
        """Read the configuration as if it had just been started."""
        self._starts += 1
        self.answered = 0
        text = (self._folder / "routes" / "web.cfg").read_text()
        for slot, host, port, disabled in _SERVER.findall(text):
            name = "" if host == "0.0.0.0" else host
            self._slots[slot] = Slot(name, self.dns.get(name, ""), int(port), not disabled)

    def serving(self) -> list[str]:
        """Where a request would go now."""
        return sorted(
            f"{one.name}:{one.port}" for one in self._slots.values() if one.ready and one.ip
        )

    def followed(self) -> set[str]:
        """The names that are asked for."""
        return {one.name for one in self._slots.values() if one.name}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Answer at the socket."""
        path = (self._folder / "admin.sock").relative_to(Path.cwd())
        async with await asyncio.start_unix_server(self._serve, path):
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for command in (await reader.readline()).decode().strip().split("; "):
            if len(self.asked) >= self.breaks_after:
                break
            self.asked.append(command)
            writer.write(self._answer(command.split()).encode())
        writer.close()

    def _answer(self, words: list[str]) -> str:
        match words:
            case ["show", "servers", "state"]:
                return f"1\n# {_NAMES}\n" + "".join(map(self._row, self._slots)) + "\n"
            case ["show", "info"]:
                return f"Name: HAProxy\nnode: {OWN}\nStart_time_sec: {self._starts}\n\n"
            case ["show", "table", "web.entry"]:
                return f"# table: web.entry\n0x1: key=0 gpc0={self.answered} gpc1=0\n\n"
            case ["set", "server", where, *what]:
                self._set(self._slots[where.removeprefix("web/")], what)
                return "\n"
        raise AssertionError(words)

    def _row(self, name: str) -> str:
        slot = self._slots[name]
        admin = (0 if slot.ready else 8) | (0 if slot.ip else 32)
        running = 2 if slot.ready and slot.ip else 0
        return f"4 web 1 {name} {slot.ip or '-'} {running} {admin} {slot.name or '-'} {slot.port}\n"

    def _set(self, slot: Slot, what: list[str]) -> None:
        match what:
            case ["state", state]:
                slot.ready = state == "ready"
            case ["fqdn", name]:
                slot.name, slot.ip = name, self.dns.get(name, "")
            case ["addr", ip, "port", port] if slot.ip or not slot.name:
                slot.ip, slot.port = ip.replace("0.0.0.0", ""), int(port)

"""Redis is ready: it answers, has its role, room for more, and saves what it has.

Redis goes on answering when it can write nothing more: memory full, or the last save failed. Serves
V4, P13 and the look at Redis of C16. How it is reached is in `_redis.py`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gonogo.checks._redis import look_into
from gonogo.checks._servers import shown
from gonogo.checks.disk import share
from gonogo.model.configuration import Duration
from gonogo.model.duration import seconds, spoken
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.plan import Operation
from gonogo.ports import Check, Scene

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client

_SAVED = {
    "rdb_last_bgsave_status": "the last save to disk failed",
    "aof_last_write_status": "the last write to the append-only file failed",
    "aof_last_bgrewrite_status": "the last rewrite of the append-only file failed",
}
_SHOWN = ("redis_version", "role", "used_memory", "maxmemory", "maxmemory_policy", *_SAVED)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The server, the role it must have, and how full it may be.

    The shares are of `maxmemory`, where there is one and nothing is thrown out to make room.
    """

    url: str = ""
    role: Literal["master", "replica", "any"] = "master"
    warn_share: str = "80%"
    fail_share: str = "95%"
    timeout: Duration = Duration("5s")

    def __post_init__(self) -> None:
        seconds(self.timeout)
        if not 0 < share(self.warn_share) <= share(self.fail_share):
            raise ValueError("warn_share is above 0% and not greater than fail_share")


class Redis:
    """Sends PING and INFO."""

    settings = Settings
    stage = "before"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return [Operation(where="this machine", what=f"PING and INFO at {shown(settings.url)}")]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        async def look(client: Client, where: str) -> Finding:
            begun = time.perf_counter()
            await client.ping()
            length = time.perf_counter() - begun
            return judged(settings, await client.info(), where, length)

        return await look_into(settings.url, scene, seconds(settings.timeout), look)


def judged(settings: Settings, info: Mapping[str, Any], where: str, length: float) -> Finding:
    """The verdict over what INFO says."""
    role = "replica" if info["role"] == "slave" else info["role"]
    wrong = [words for name, words in _SAVED.items() if info.get(name, "ok") != "ok"]
    if settings.role not in ("any", role):
        wrong.append(f"it is a {role}")
    if info.get("master_link_status", "up") != "up":
        wrong.append("the link to its master is down")
    part = _fullness(info)
    verdict = Verdict.FAIL if wrong or part > share(settings.fail_share) else Verdict.PASS
    if part > share(settings.warn_share):
        wrong.append("memory is nearly full")
        verdict = Verdict.WARN if verdict is Verdict.PASS else verdict
    found = f"Redis {info.get('redis_version', '')}, {role}, {_memory(info)}"
    return Finding(
        verdict=verdict,
        found="; ".join([*wrong, f"{found}, answered in {spoken(length)}"]),
        expected=f"{settings.role if settings.role != 'any' else 'any role'}, saved, and at most "
        f"{settings.warn_share} of its memory",
        where=where,
        seconds=length,
        facts={name: info[name] for name in _SHOWN if name in info},
    )


def _fullness(info: Mapping[str, Any]) -> float:
    """How full the memory is; 0 where it may be, as old keys make room for new ones."""
    evicts = str(info.get("maxmemory_policy", "")).startswith("allkeys-")
    limit = info.get("maxmemory", 0)
    return 0.0 if evicts or not limit else float(info["used_memory"] / limit)


def _memory(info: Mapping[str, Any]) -> str:
    used, limit = info["used_memory"] / 2**20, info.get("maxmemory", 0) / 2**20
    return f"{used:.1f} MiB" + (f" of {limit:.1f} MiB" if limit else " and no limit")


CHECK: Check[Settings] = Redis()

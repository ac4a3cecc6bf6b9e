"""PostgreSQL is ready: it answers, takes writes, and has connections left.

A database that is up but read-only, or out of connections, fails the first customer and not the
release. Serves P13, A1 and the two of C16 (database ready, connection count). Connects as the
application does, from this machine, and reads what every role may read.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from gonogo.checks._judge import error
from gonogo.checks._servers import not_an_address, server_at, shown
from gonogo.checks.disk import share
from gonogo.model.configuration import Duration
from gonogo.model.duration import seconds, spoken
from gonogo.model.evidence import Finding, Verdict, failed
from gonogo.model.plan import Operation
from gonogo.model.redaction import Redactor
from gonogo.ports import Check, Scene

_LOOK = """
SELECT current_setting('server_version') AS version,
       pg_is_in_recovery() AS recovering,
       current_setting('transaction_read_only') = 'on' AS read_only,
       current_setting('max_connections')::int AS most,
       (SELECT sum(numbackends) FROM pg_stat_database)::int AS connections
"""
"""pg_stat_activity hides from ordinary roles which of its rows are clients of others."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The database by url (the environment's unless set), and what it must have.

    write is whether it must take writes, the shares are of max_connections.
    """

    url: str = ""
    write: bool = True
    warn_share: str = "80%"
    fail_share: str = "95%"
    timeout: Duration = Duration("5s")

    def __post_init__(self) -> None:
        seconds(self.timeout)
        if not 0 < share(self.warn_share) <= share(self.fail_share):
            raise ValueError("warn_share is above 0% and not greater than fail_share")


class Postgres:
    """Connects, and asks the server about itself."""

    settings = Settings
    stage = "before"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        what = f"connect to {shown(_url(settings, scene))}, ask for writes and connections"
        return [Operation(where="this machine", what=what)]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        import psycopg

        within = seconds(settings.timeout)
        server = await server_at(_url(settings, scene), scene, within)
        if isinstance(server, Finding):
            return server
        try:
            options = _options(server.url)
        except ValueError:
            return not_an_address(server.where)
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(within):
                seen = await _look(options)
        except TimeoutError:
            return failed(f"timed out after {within:g} s", where=server.where)
        except psycopg.OperationalError as problem:
            return failed(_reason(problem, server.redactor), where=server.where)
        except psycopg.Error as problem:
            return error(_reason(problem, server.redactor), where=server.where)
        return _judged(settings, seen, server.where, time.perf_counter() - begun)


def _url(settings: Settings, scene: Scene) -> str:
    database = scene.environment.database
    return settings.url or (database.postgres if database else "")


def _options(url: str) -> dict[str, Any]:
    """What libpq understands of a URL. What only other drivers do (`schema`) is left out.

    ValueError when it is none.
    """
    from psycopg import ProgrammingError, conninfo, pq

    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    address, _, query = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url).partition("?")
    kept = [(name, value) for name, value in parse_qsl(query) if name in known]
    try:
        return conninfo.conninfo_to_dict(f"{address}?{urlencode(kept, quote_via=quote)}")
    except ProgrammingError:
        raise ValueError("not an address of PostgreSQL") from None


async def _look(options: dict[str, Any]) -> dict[str, Any]:
    import psycopg
    from psycopg.rows import dict_row

    named = {"application_name": "gonogo", **options}
    async with await psycopg.AsyncConnection.connect(
        **named, autocommit=True, row_factory=dict_row
    ) as connection:
        row = await (await connection.execute(_LOOK)).fetchone()
    return dict(row or {})


def _reason(problem: Exception, redactor: Redactor) -> str:
    """The last part of the first line, which is the server's or the system's own word."""
    line = (str(problem).splitlines() or [type(problem).__name__])[0]
    return " ".join(redactor.text(line.rpartition("failed: ")[2]).split())


def _judged(settings: Settings, seen: dict[str, Any], where: str, length: float) -> Finding:
    part = seen["connections"] / seen["most"]
    mode = "in recovery" if seen["recovering"] else "read-only" if seen["read_only"] else ""
    verdict, wrong = Verdict.PASS, ""
    if part > share(settings.warn_share):
        verdict, wrong = Verdict.WARN, "few connections are left: "
    if part > share(settings.fail_share):
        verdict = Verdict.FAIL
    if mode and settings.write:
        verdict, wrong = Verdict.FAIL, "takes no writes: "
    used = f"{seen['connections']} of {seen['most']} connections ({part:.0%})"
    taken = f"PostgreSQL {seen['version']}, {mode or 'takes writes'}"
    return Finding(
        verdict=verdict,
        found=f"{wrong}{taken}, {used}, answered in {spoken(length)}",
        expected=f"{'takes writes, ' if settings.write else ''}at most {settings.warn_share} of "
        "the connections",
        where=where,
        seconds=length,
        facts=seen,
    )


CHECK: Check[Settings] = Postgres()

"""A look into Redis for the checks that need one, with its failures in plain words.

The package `redis`, because it reads the URLs that applications have and speaks TLS and ACLs. It is
imported when it is used: reading a configuration also imports this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from gonogo.checks._judge import error
from gonogo.checks._servers import Server, not_an_address, server_at
from gonogo.checks._web import in_words
from gonogo.model.evidence import Finding, failed
from gonogo.ports import Scene

if TYPE_CHECKING:
    from redis.asyncio import Redis

_OPTIONS = {"redis": ("db",), "unix": ("db",), "rediss": ("db", "ssl_cert_reqs", "ssl_ca_certs")}
"""Those of a URL that count, by its scheme; the others are those of one client or another."""


async def look_into(
    url: str, scene: Scene, within: float, look: Callable[[Redis, str], Awaitable[Finding]]
) -> Finding:
    """What look finds in the Redis at a URL with references, or why it could not look.

    look gets a client, and where that is for its finding.
    """
    from redis.exceptions import RedisError, ResponseError

    server = await server_at(url, scene, within)
    if isinstance(server, Finding):
        return server
    try:
        client = _client(server.url)
    except ValueError:
        return not_an_address(server.where)
    try:
        async with asyncio.timeout(within), client:
            return await look(client, server.where)
    except TimeoutError:
        return failed(f"timed out after {within:g} s", where=server.where)
    except ResponseError as problem:
        said = server.redactor.text(str(problem))[:200]
        return error(f"the server does not tell: {said}", where=server.where)
    except RedisError as problem:
        return failed(_reason(problem, server), where=server.where)


def _client(url: str) -> Redis:
    """A client that asks once. ValueError when the URL is none of Redis."""
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    address, _, query = url.partition("?")
    known = _OPTIONS.get(address.partition(":")[0], ())
    options: dict[str, Any] = {name: to for name, to in parse_qsl(query) if name in known}
    if "ssl_cert_reqs" in options:
        options["ssl_cert_reqs"] = options["ssl_cert_reqs"].lower().removeprefix("cert_")
    return Redis.from_url(
        address,
        **options,
        decode_responses=True,
        encoding_errors="replace",
        retry=Retry(NoBackoff(), 0),
        socket_timeout=None,
        socket_connect_timeout=None,
    )


def _reason(problem: Exception, server: Server) -> str:
    """Why there was no answer: the network's failure, or the server's own words."""
    if isinstance(problem.__cause__ or problem.__context__, OSError):
        return in_words(problem)
    return server.redactor.text(str(problem))[:200]

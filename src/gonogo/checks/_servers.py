"""What the checks of a server share: its address without secrets, and whether it is within reach.

The address of a server is mostly a variable with a password in it, so a person gets to see it as
it is written, and what a server answers only without any part of it.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, unquote, urlsplit

from gonogo.checks._judge import error, undecided
from gonogo.checks._references import References
from gonogo.model.errors import GonogoError, PermanentError
from gonogo.model.evidence import Finding, failed
from gonogo.model.redaction import MASK, Redactor
from gonogo.ports import Scene

_PASSWORD = re.compile(r"(?<=://)([^:@/]*):.*@")


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a server is: where is for people, url for connecting, redactor hides all of url."""

    where: str
    url: str
    redactor: Redactor


def shown(url: str) -> str:
    """A URL as it is written, without a password and without options, which may be one."""
    return _PASSWORD.sub(rf"\1:{MASK}@", url).partition("?")[0]


async def server_at(url: str, scene: Scene, within: float) -> Server | Finding:
    """The server at a URL with references, or why it cannot be asked from this machine."""
    if not url:
        return undecided("no url is set, so there is nothing to judge")
    where, references = shown(url), References(scene.values)
    try:
        whole = references.text(url)
        parts = urlsplit(whole)
        for part in (parts.username, parts.password, parts.hostname, parts.path.strip("/")):
            references.hide(unquote(part or ""))
        problem = await _name_problem(parts, within)
    except PermanentError as missing:
        return error(missing.message, where=where)
    except ValueError:
        return not_an_address(where)
    if problem and (inside := await _inside(parts.hostname or "", scene)):
        whole = _at(parts, inside)
    elif problem:
        return replace(problem, where=where)
    return Server(where=where, url=whole, redactor=references.redactor())


def not_an_address(where: str) -> Finding:
    """A value that is no address. It is not quoted: a part of it may be the password."""
    return error(
        "not an address of such a server",
        expected="scheme://user:password@host:port/name, percent-encoded",
        where=where,
    )


async def _inside(host: str, scene: Scene) -> str:
    """The address of a host that only the networks of the containers know; empty for others."""
    if scene.inspector is None or not host or "." in host:
        return ""
    try:
        return await scene.inspector.address(unquote(host))
    except GonogoError:
        return ""


def _at(parts: SplitResult, host: str) -> str:
    """The same URL with another host."""
    user, at, place = parts.netloc.rpartition("@")
    _, colon, port = place.partition(":")
    return parts._replace(netloc=f"{user}{at}{host}{colon}{port}").geturl()


async def _name_problem(parts: SplitResult, within: float) -> Finding | None:
    """Why the name of the host leads nowhere. A path or a list of hosts is not looked at.

    ValueError when the port is none: then what looks like a host is a part of the password.
    """
    host = unquote(parts.hostname or "")
    if not host or host.startswith(("/", "@")) or "," in parts.netloc:
        return None
    try:
        async with asyncio.timeout(within):
            await asyncio.get_running_loop().getaddrinfo(host, parts.port)
    except TimeoutError:
        return failed(f"the name of the host is not known after {within:g} s")
    except OSError:
        if "." in host:
            return failed("the name of the host is not known")
        return undecided(
            "this machine does not know the host: a short name like this one is mostly that of a "
            "service inside the network of the containers",
            expected="an address this machine reaches: publish the port of that service on "
            "127.0.0.1 and give this check a url of its own",
        )
    return None

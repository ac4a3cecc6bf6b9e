"""Sending one request and reading its answer, with the network's failures in plain words.

httpx, because it is async, keeps cookies and speaks TLS without help. It is slow to import, so that
happens only when a request is sent: reading a configuration also imports this module. The
environment's proxy settings and ~/.netrc are left out on purpose: a check looks at the server
itself and sends nothing that was not written down.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gonogo import __version__
from gonogo.checks._references import References
from gonogo.model.errors import PermanentError
from gonogo.ports import Scene

if TYPE_CHECKING:
    import httpx

LARGEST = 10_000_000
"""Bytes of an answer that are read; a longer answer is an error."""

LOOPBACK = "127.0.0.1"

CLOSED = "X-Gonogo-Maintenance"
"""The header by which the maintenance page is known."""


class NoAnswer(Exception):
    """The server did not answer; the text says why in plain words."""


class Closed(Exception):
    """The maintenance page was the answer, so nothing was seen of the application."""


class BadRequest(Exception):
    """The request could not be sent at all, or its answer cannot be looked at."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, references unresolved."""

    method: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    follow_redirects: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back. seconds is from the first byte sent to the last received."""

    status: int
    headers: httpx.Headers
    text: str
    size: int
    seconds: float

    def facts(self) -> dict[str, Any]:
        """The operands of conditions. body is parsed when it is JSON, else a text."""
        facts: dict[str, Any] = {
            "status": self.status,
            "header": self.headers,
            "body": self._body(),
            "time": self.seconds,
            "size": self.size,
        }
        if "location" in self.headers:
            facts["redirect"] = self.headers["location"]
        return facts

    def _body(self) -> Any:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json" or kind.endswith("+json"):
            try:
                return json.loads(self.text)
            except ValueError:
                return self.text
        return self.text


def address(scene: Scene, service: str, path: str) -> str:
    """The whole address, references unresolved. A path is relative to the service or environment.

    PermanentError when there is nothing it could be relative to.
    """
    if "://" in path or path.startswith("$"):
        return path
    return f"{_base(scene, service).rstrip('/')}/{path.lstrip('/')}"


def _base(scene: Scene, service: str) -> str:
    if not service:
        if scene.environment.url:
            return scene.environment.url
        raise PermanentError(
            f"environment {scene.environment.name} has no url",
            next_step="name a service in the check, or set url in gonogo.yml",
        )
    services = scene.environment.services
    if service not in services:
        known = ", ".join(services) or "none"
        raise PermanentError(f"there is no service {service!r} (there are: {known})")
    port = services[service].port
    if port is None:
        raise PermanentError(f"service {service} has no port, so it answers no requests")
    return f"http://{LOOPBACK}:{port}"


def client() -> httpx.AsyncClient:
    """A client with its own cookies and the system's certificates.

    On loopback, cookies marked Secure are sent over plain http, as browsers do.
    """
    import httpx

    made = httpx.AsyncClient(
        verify=ssl.create_default_context(),
        trust_env=False,
        headers={"user-agent": f"gonogo/{__version__}"},
    )

    async def relax(response: httpx.Response) -> None:
        for cookie in made.cookies.jar:
            if cookie.domain.startswith(("127.", "localhost")):
                cookie.secure = False

    made.event_hooks = {"response": [relax]}
    return made


async def send(
    client: httpx.AsyncClient, request: Request, references: References, within: float
) -> Answer:
    """The answer, within that many seconds. Raises NoAnswer, Closed or BadRequest, and
    PermanentError for a missing variable.
    """
    import httpx

    arguments = _arguments(request, references)
    url = references.url(request.address)
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(within):
            answer = await _exchange(client, request, url, arguments, begun)
    except TimeoutError:
        raise NoAnswer(f"timed out after {within:g} s") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise BadRequest("not an address that a request can be sent to") from None
    except httpx.TooManyRedirects:
        raise NoAnswer("redirected more than 20 times") from None
    except (httpx.HTTPError, ssl.SSLError, OSError) as error:
        raise NoAnswer(in_words(error)) from None
    if answer.status == 503 and CLOSED in answer.headers:
        raise Closed("not looked at: users get the maintenance page")
    for cookie in client.cookies.jar:
        references.hide(cookie.value or "")
    return answer


def _arguments(request: Request, references: References) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "headers": {name: references.text(text) for name, text in request.headers.items()},
        "follow_redirects": request.follow_redirects,
        "timeout": None,
    }
    if request.json is not None:
        arguments["json"] = references.value(request.json)
    if request.form:
        arguments["data"] = {name: references.text(text) for name, text in request.form.items()}
    if request.body:
        arguments["content"] = references.text(request.body)
    return arguments


async def _exchange(
    client: httpx.AsyncClient, request: Request, url: str, arguments: dict[str, Any], begun: float
) -> Answer:
    async with client.stream(request.method, url, **arguments) as response:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > LARGEST:
                raise BadRequest(f"the answer is longer than {LARGEST // 1_000_000} MB")
    try:
        text = content.decode(response.encoding or "utf-8", "replace")
    except LookupError:
        text = content.decode("utf-8", "replace")
    return Answer(
        status=response.status_code,
        headers=response.headers,
        text=text,
        size=len(content),
        seconds=time.perf_counter() - begun,
    )


_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "the name of the host is not known"),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionResetError, "the server broke the connection off"),
    (BrokenPipeError, "the server broke the connection off"),
)

_HTTPX_WORDS = {
    "RemoteProtocolError": "the server broke the connection off or does not speak HTTP",
    "ReadError": "the server broke the connection off",
}


def in_words(error: BaseException) -> str:
    """A failure of the network as a person would say it."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"no TLS connection: {(cause.reason or 'failed').replace('_', ' ').lower()}"
        for kind, words in _WORDS:
            if isinstance(cause, kind):
                return words
        if words := _HTTPX_WORDS.get(type(cause).__name__, ""):
            return words
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return f"no connection ({type(error).__name__})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, the innermost first."""
    if error is None:
        return
    yield from _causes(error.__cause__ or error.__context__)
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _causes(part)
    yield error

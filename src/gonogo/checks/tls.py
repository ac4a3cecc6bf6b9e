"""The certificate of a server: trusted, for its name, not about to end, and no old protocol.

A certificate that ends takes a site down as surely as a bug, on a day that is known before. Serves
P41, A5 and V34. The system's own TLS decides what is trusted, as it does for the customers.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from gonogo.checks._judge import error, undecided
from gonogo.checks._references import References
from gonogo.checks._servers import shown
from gonogo.checks._stat import in_project
from gonogo.checks._web import in_words
from gonogo.model.configuration import Duration
from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, Verdict, failed
from gonogo.model.plan import Operation
from gonogo.ports import Check, Scene

_DAY = 86400
_TOO_OLD = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The server by url (the environment's unless set), or by host and port.

    It fails with less than `days` left and warns with less than `warn_days`. ca is a file with the
    certificates to trust instead of the system's.
    """

    url: str = ""
    host: str = ""
    port: int = 443
    ca: str = ""
    days: int = 14
    warn_days: int = 30
    timeout: Duration = Duration("10s")

    def __post_init__(self) -> None:
        seconds(self.timeout)
        if self.url and (self.host or self.port != 443):
            raise ValueError("either url, or host and port")
        if not 0 <= self.days <= self.warn_days:
            raise ValueError("days is at least 0, and warn_days not less than days")


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What a handshake showed. old is whether the server also takes protocols before TLS 1.2."""

    certificate: dict[str, Any]
    protocol: str
    old: bool


class Tls:
    """Shakes hands with the server, as a browser would, and once more as an old one."""

    settings = Settings
    stage = "before"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        what = f"TLS handshake with {_place(settings, scene)}"
        return [Operation(where="this machine", what=what)]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        where, references = _place(settings, scene), References(scene.values)
        if not where:
            return undecided("no host is set, and the environment has no url")
        try:
            host, port = _address(settings, scene, references)
            context = _trusting(settings, scene)
        except (PermanentError, OSError, ValueError) as problem:
            return error(_unusable(problem), where=where)
        wanted = f"trusted, for this name, TLS 1.2 or newer, {settings.warn_days} days left"
        within, begun = seconds(settings.timeout), time.perf_counter()
        try:
            seen = await _look(host, port, context, within)
        except TimeoutError:
            return failed(f"timed out after {within:g} s", expected=wanted, where=where)
        except OSError as problem:
            said = references.redactor().text(_words(problem))
            return failed(said, expected=wanted, where=where)
        finding = _judged(settings, seen, scene.clock.now())
        length = time.perf_counter() - begun
        return replace(finding, expected=wanted, where=where, seconds=length)


def _place(settings: Settings, scene: Scene) -> str:
    """The address as it is written."""
    if settings.host:
        return f"{settings.host}:{settings.port}"
    return shown(settings.url or scene.environment.url)


def _address(settings: Settings, scene: Scene, references: References) -> tuple[str, int]:
    """Host and port. ValueError for a URL that has none or is not for TLS."""
    written = settings.host or settings.url or scene.environment.url
    text = references.text(written)
    parts = urlsplit(text)
    host, port = text, settings.port
    if not settings.host:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 0)
        if not host or not port or parts.scheme == "http":
            raise ValueError("no host, or no TLS")
    host.encode("idna")
    if "${" in written:
        references.hide(host)
    return host, port


def _trusting(settings: Settings, scene: Scene) -> ssl.SSLContext:
    """What trusts the system's certificates, or those of the file, and is no older than TLS 1.2."""
    file = in_project(scene, scene.values.text(settings.ca)) if settings.ca else None
    context = ssl.create_default_context(cafile=file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _look(host: str, port: int, context: ssl.SSLContext, within: float) -> _Seen:
    async with asyncio.timeout(within):
        certificate, protocol = await _shake(host, port, context)
    try:
        async with asyncio.timeout(within):
            await _shake(host, port, _old())
        old = True
    except OSError:
        old = False
    return _Seen(certificate=certificate, protocol=protocol, old=old)


async def _shake(host: str, port: int, context: ssl.SSLContext) -> tuple[dict[str, Any], str]:
    """The certificate and the protocol; the connection is left at once."""
    _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    shaken: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    return dict(shaken.getpeercert() or {}), shaken.version() or ""


def _old() -> ssl.SSLContext:
    """What speaks nothing newer than TLS 1.1, with any cipher and whoever the server is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _unusable(problem: Exception) -> str:
    """Why the settings lead to no handshake."""
    if isinstance(problem, PermanentError):
        return problem.message
    if isinstance(problem, OSError):
        return f"the file of ca cannot be used: {in_words(problem)}"
    return "not an address that speaks TLS (write https://...)"


def _words(problem: OSError) -> str:
    """Why a handshake failed."""
    if isinstance(problem, ssl.SSLError) and problem.reason in _TOO_OLD:
        return "the server speaks no TLS 1.2 or newer"
    return in_words(problem)


def _judged(settings: Settings, seen: _Seen, now: float) -> Finding:
    ends = ssl.cert_time_to_seconds(seen.certificate["notAfter"])
    left = (ends - now) / _DAY
    until = time.strftime("%Y-%m-%d", time.gmtime(ends))
    verdict, wrong = Verdict.PASS, ""
    if left < settings.warn_days:
        verdict = Verdict.WARN
    if left < settings.days:
        verdict = Verdict.FAIL
    if seen.old:
        verdict, wrong = Verdict.FAIL, "protocols older than TLS 1.2 are accepted, too; "
    names = [name for _, name in seen.certificate.get("subjectAltName", ())]
    return Finding(
        verdict=verdict,
        found=f"{wrong}valid until {until}, {int(left)} days left, {seen.protocol}",
        excerpt=f"for {', '.join(names)}; issued by {_issuer(seen.certificate)}"[:2000],
        facts={"until": until, "days": int(left), "names": names, "protocol": seen.protocol},
    )


def _issuer(certificate: dict[str, Any]) -> str:
    said = dict(pair for part in certificate.get("issuer", ()) for pair in part)
    return str(said.get("organizationName") or said.get("commonName") or "nobody named")


CHECK: Check[Settings] = Tls()

"""Every setting of the portal, read from the environment in this one place.

A missing or bad setting ends the process with one line on standard error and
exit code 2, so that a wrong configuration is seen before the first request.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

DEVELOPMENT_SECRET = "development-only-secret-do-not-use-elsewhere"
SHORTEST_SECRET = 32
DEFAULT_PORTS = {"backend": 4000, "frontend": 3000, "standins": 5000}


class SettingsError(Exception):
    """A setting is missing or has a value that cannot work."""


@dataclass(frozen=True)
class Salesforce:
    """Where Salesforce is, and the credentials of the connected app."""

    url: str
    client_id: str
    client_secret: str
    username: str
    password: str


@dataclass(frozen=True)
class Whmcs:
    """Where WHMCS is, and the API credentials."""

    url: str
    identifier: str
    secret: str


@dataclass(frozen=True)
class Freebit:
    """Where Freebit is, and the OEM credentials."""

    url: str
    oem_id: str
    oem_key: str


@dataclass(frozen=True)
class Settings:
    """The settings of one process."""

    environment: str
    host: str
    port: int
    database_url: str
    redis_url: str
    session_secret: str
    secure_cookie: bool
    cors_origins: tuple[str, ...]
    backend_url: str
    access_log: bool
    drain_seconds: float
    salesforce: Salesforce
    whmcs: Whmcs
    freebit: Freebit


def load(role: str, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of a process in the given role, such as "backend"."""
    environment = environ.get("PORTAL_ENV", "") or "development"
    if environment not in ("development", "test", "production"):
        raise SettingsError("PORTAL_ENV must be development, test or production")
    return Settings(
        environment=environment,
        host=environ.get("HOST", "") or "127.0.0.1",
        port=_port(environ, DEFAULT_PORTS.get(role, 0)),
        database_url=_database_url(environ),
        redis_url=_url(environ, "REDIS_URL", ("redis", "rediss", "unix")),
        session_secret=_session_secret(environ, role == "backend" and environment == "production"),
        secure_cookie=_flag(environ, "SECURE_COOKIE"),
        cors_origins=_cors_origins(environ),
        backend_url=_url(environ, "BACKEND_URL", ("http", "https"), "http://127.0.0.1:4000"),
        access_log=_flag(environ, "ACCESS_LOG"),
        drain_seconds=_seconds(environ, "DRAIN_SECONDS", 0.3),
        salesforce=_salesforce(environ),
        whmcs=Whmcs(
            url=_url(environ, "WHMCS_URL", ("http", "https")),
            identifier=environ.get("WHMCS_IDENTIFIER", ""),
            secret=environ.get("WHMCS_SECRET", ""),
        ),
        freebit=Freebit(
            url=_url(environ, "FREEBIT_URL", ("http", "https")),
            oem_id=environ.get("FREEBIT_OEM_ID", ""),
            oem_key=environ.get("FREEBIT_OEM_KEY", ""),
        ),
    )


def load_or_exit(role: str) -> Settings:
    """Read the settings, or say in one line what is wrong with them and exit with 2."""
    try:
        return load(role)
    except SettingsError as error:
        print(f"portal {role}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _salesforce(environ: Mapping[str, str]) -> Salesforce:
    return Salesforce(
        url=_url(environ, "SALESFORCE_URL", ("http", "https")),
        client_id=environ.get("SALESFORCE_CLIENT_ID", ""),
        client_secret=environ.get("SALESFORCE_CLIENT_SECRET", ""),
        username=environ.get("SALESFORCE_USERNAME", ""),
        password=environ.get("SALESFORCE_PASSWORD", ""),
    )


def _port(environ: Mapping[str, str], default: int) -> int:
    text = environ.get("PORT", "")
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise SettingsError("PORT must be a number from 1 to 65535")
    return int(text)


def _url(environ: Mapping[str, str], name: str, schemes: tuple[str, ...], default: str = "") -> str:
    text = environ.get(name, "") or default
    if not text:
        return ""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in schemes or not rest.strip("/"):
        wanted = " or ".join(f"{known}://" for known in schemes)
        raise SettingsError(f"{name} must be an address that starts with {wanted}")
    return text.rstrip("/")


def _database_url(environ: Mapping[str, str]) -> str:
    schemes = ("sqlite", "postgresql", "postgres")
    text = _url(environ, "DATABASE_URL", schemes, "sqlite:///portal.db")
    if text.startswith("sqlite://") and not text.startswith("sqlite:///"):
        raise SettingsError("DATABASE_URL must be written sqlite:///path, with three slashes")
    return text


def _session_secret(environ: Mapping[str, str], required: bool) -> str:
    secret = environ.get("SESSION_SECRET", "")
    if not secret:
        if required:
            raise SettingsError("SESSION_SECRET is not set; production needs it")
        return DEVELOPMENT_SECRET
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(f"SESSION_SECRET must have at least {SHORTEST_SECRET} characters")
    return secret


def _cors_origins(environ: Mapping[str, str]) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in environ.get("CORS_ORIGIN", "").split(","))
    found = tuple(origin.rstrip("/") for origin in origins if origin)
    for origin in found:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
            raise SettingsError("CORS_ORIGIN must look like https://portal.example.com")
    return found


def _flag(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "").lower()
    if text in ("", "0", "no", "false"):
        return False
    if text in ("1", "yes", "true"):
        return True
    raise SettingsError(f"{name} must be yes or no")


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "")
    try:
        seconds = float(text) if text else default
    except ValueError:
        raise SettingsError(f"{name} must be a number of seconds") from None
    if not 0 <= seconds <= 60:
        raise SettingsError(f"{name} must be from 0 to 60 seconds")
    return seconds

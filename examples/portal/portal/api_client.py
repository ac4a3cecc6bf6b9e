"""Asks the backend on behalf of the frontend.

Plain ``http.client`` with one connection kept open for each thread: it starts
quickly and costs little CPU for each page.
"""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from portal.sessions import COOKIE

TIMEOUT_SECONDS = 10.0


class BackendUnreachable(Exception):
    """The backend did not answer."""


@dataclass(frozen=True)
class Reply:
    """What the backend answered."""

    status: int
    body: dict[str, Any]
    set_cookie: str | None


class ApiClient:
    """Sends requests to one backend."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._address = parts.netloc
        self._prefix = parts.path
        self._local = threading.local()

    def get(self, path: str, token: str) -> Reply:
        """Ask for something; a connection that has gone stale is opened anew."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            try:
                return self._ask(connection, "GET", path, token)
            except (OSError, http.client.HTTPException, ValueError):
                connection.close()
        self._local.connection = self._open()
        return self._ask_fresh(self._local.connection, "GET", path, token)

    def post(self, path: str, token: str, body: dict[str, Any]) -> Reply:
        """Change something, on a connection of its own, so that it is sent only once."""
        connection = self._open()
        try:
            return self._ask_fresh(connection, "POST", path, token, body)
        finally:
            connection.close()

    def _open(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._address, timeout=TIMEOUT_SECONDS)

    def _ask_fresh(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        token: str,
        body: dict[str, Any] | None = None,
    ) -> Reply:
        try:
            return self._ask(connection, method, path, token, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise BackendUnreachable(str(error)) from error

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        token: str,
        body: dict[str, Any] | None = None,
    ) -> Reply:
        headers = {"Cookie": f"{COOKIE}={token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body)
        connection.request(method, self._prefix + path, content, headers)
        response = connection.getresponse()
        return Reply(response.status, json.loads(response.read()), response.getheader("Set-Cookie"))

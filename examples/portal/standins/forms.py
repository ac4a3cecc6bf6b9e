"""Reads the form fields of a request."""

from __future__ import annotations

import hmac
from urllib.parse import parse_qsl

from starlette.requests import Request


async def fields(request: Request) -> dict[str, str]:
    """Return the fields of a URL-encoded form."""
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace")))


def same(given: str, expected: str) -> bool:
    """Compare two credentials."""
    return hmac.compare_digest(given.encode(), expected.encode())

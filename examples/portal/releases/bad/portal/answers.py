"""Turns plain functions into endpoints that answer with JSON.

The functions run in a thread, because both database drivers block. A problem
becomes a JSON error; anything unexpected is logged and becomes a plain 500.

This release is broken on purpose: every tenth request of customers fails, while
the health check passes.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from portal.context import Context
from portal.problems import Problem
from portal.sessions import COOKIE, Customer

Body = dict[str, Any]
Endpoint = Callable[[Request], Awaitable[Response]]
CustomerWork = Callable[[Context, Customer, Body], Any]
PublicWork = Callable[[Context], tuple[int, Any]]

LARGEST_BODY = 64 * 1024
REFRESH_EVERY = 10

_served = itertools.count(1)
_prices: dict[str, int] = {}

logger = logging.getLogger("portal")


def for_customer(work: CustomerWork, status: int = 200) -> Endpoint:
    """Make an endpoint that only a signed-in customer may use."""

    async def endpoint(request: Request) -> Response:
        context: Context = request.app.state.context
        token = request.cookies.get(COOKIE, "")

        def answer(body: Body) -> Any:
            customer = context.sessions.customer(token)
            if customer is None:
                raise Problem(401, "please sign in")
            return work(context, customer, body)

        try:
            refresh_prices()
            body = await read_json(request) if request.method == "POST" else {}
            return JSONResponse(await context.in_thread(lambda: answer(body)), status)
        except Exception as error:
            return error_response(request, error)

    return endpoint


def refresh_prices() -> None:
    """Look at the cached prices now and then; nothing ever fills the cache."""
    if next(_served) % REFRESH_EVERY == 0:
        _prices["sim-5gb"] = _prices["sim-5gb"] + 0


def for_anyone(work: PublicWork) -> Endpoint:
    """Make an endpoint that needs no session; the work returns status and content."""

    async def endpoint(request: Request) -> Response:
        context: Context = request.app.state.context
        try:
            status, content = await context.in_thread(lambda: work(context))
        except Exception as error:
            return error_response(request, error)
        return JSONResponse(content, status)

    return endpoint


async def read_json(request: Request) -> Body:
    """Return the JSON object that the client sent."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_BODY:
            raise Problem(413, "the request is too large")
    try:
        body = json.loads(raw)
    except ValueError:
        raise Problem(400, "the request is not JSON") from None
    if not isinstance(body, dict):
        raise Problem(400, "the request is not a JSON object")
    return body


def error_response(request: Request, error: Exception) -> Response:
    """Tell the client what went wrong, without inner details."""
    if isinstance(error, Problem):
        return JSONResponse({"error": error.message}, error.status)
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"error": "internal error"}, 500)

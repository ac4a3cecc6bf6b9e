"""Runs the three stand-ins on one port: ``python -m standins``."""

from __future__ import annotations

import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from portal import settings
from portal.serving import Readiness, serve
from standins import freebit, salesforce, whmcs


async def health(request: Request) -> Response:
    """Say that the process lives."""
    return JSONResponse({"status": "ok"})


def main() -> int:
    """Run the stand-ins and return the exit code."""
    routes = [
        Route("/health", health),
        *salesforce.ROUTES,
        *whmcs.ROUTES,
        *freebit.ROUTES,
    ]
    return serve(Starlette(routes=routes), settings.load_or_exit("standins"), Readiness())


if __name__ == "__main__":
    sys.exit(main())

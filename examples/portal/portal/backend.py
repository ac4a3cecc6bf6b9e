"""The backend: a JSON API over the database. Run it with ``python -m portal.backend``."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from portal import accounts, external, invoices, migrate, orders, release, settings
from portal.answers import error_response, for_anyone, for_customer, read_json
from portal.context import Context
from portal.database import Database
from portal.jobs import open_queue
from portal.problems import Problem
from portal.serving import Readiness, ready_response, serve, slow_response
from portal.sessions import COOKIE, LIFETIME_SECONDS, Sessions

THREADS = 4
RETRY_SECONDS = 0.5


async def login(request: Request) -> Response:
    """Open a session for the right email and password."""
    context: Context = request.app.state.context
    try:
        body = await read_json(request)
        email, password = str(body.get("email", "")), str(body.get("password", ""))
        token = await context.in_thread(lambda: context.sessions.sign_in(email, password))
        if token is None:
            raise Problem(401, "email or password is wrong")
    except Exception as error:
        return error_response(request, error)
    response = JSONResponse({"status": "signed in"})
    response.set_cookie(
        COOKIE,
        token,
        max_age=LIFETIME_SECONDS,
        httponly=True,
        samesite="lax",
        secure=context.settings.secure_cookie,
    )
    return response


async def logout(request: Request) -> Response:
    """Close the session, if there is one."""
    context: Context = request.app.state.context
    token = request.cookies.get(COOKIE, "")
    try:
        await context.in_thread(lambda: context.sessions.sign_out(token))
    except Exception as error:
        return error_response(request, error)
    response = JSONResponse({"status": "signed out"})
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response


def health(context: Context) -> tuple[int, Any]:
    """Say whether the process lives and its database answers."""
    if context.database.is_alive():
        return 200, {"status": "ok", "database": "ok"}
    return 503, {"status": "failed", "database": "failed"}


def queue_health(context: Context) -> tuple[int, Any]:
    """Say how much work waits and how much of it failed."""
    state = context.queue.state()
    return 200, {"status": "ok", "queue": context.queue.name, **asdict(state)}


def version(context: Context) -> tuple[int, Any]:
    """Say which release this is and which schema the database has."""
    schema = migrate.last_applied(context.database)
    return 200, {"version": release.version(), "schema": schema}


async def external_health(request: Request) -> Response:
    """Sign in to the external systems and report on each."""
    context: Context = request.app.state.context
    reports = await asyncio.to_thread(external.check_all, context.settings)
    failed = any(report["status"] == "failed" for report in reports.values())
    return JSONResponse(reports, 503 if failed else 200)


async def ready(request: Request) -> Response:
    """Say whether this process wants requests."""
    context: Context = request.app.state.context
    return ready_response(context.readiness)


async def http_error(request: Request, error: Exception) -> Response:
    """Answer an unknown path or a wrong method in JSON."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail.lower()}, error.status_code)


ROUTES = [
    Route("/auth/login", login, methods=["POST"]),
    Route("/auth/logout", logout, methods=["POST"]),
    Route("/dashboard", for_customer(lambda c, who, _: accounts.dashboard(c.database, who))),
    Route("/invoices", for_customer(lambda c, who, _: invoices.listing(c.database, who))),
    Route(
        "/subscriptions", for_customer(lambda c, who, _: accounts.subscriptions(c.database, who))
    ),
    Route("/catalogue", for_customer(lambda c, who, _: accounts.catalogue(c.database))),
    Route(
        "/orders",
        for_customer(lambda c, who, body: orders.create(c.database, c.queue, who, body), 201),
        methods=["POST"],
    ),
    Route("/health", for_anyone(health)),
    Route("/health/queues", for_anyone(queue_health)),
    Route("/auth/health-check", external_health),
    Route("/ready", ready),
    Route("/version", for_anyone(version)),
    Route("/slow", slow_response),
]


async def become_ready(context: Context) -> None:
    """Wait for a database that has the schema of this release."""
    while not context.readiness.draining:
        reason = await context.in_thread(lambda: _why_not_ready(context.database))
        if context.readiness.draining:
            return
        if not reason:
            context.readiness.start()
            return
        context.readiness.reason = reason
        await asyncio.sleep(RETRY_SECONDS)


def _why_not_ready(database: Database) -> str:
    try:
        missing = [migration.name for migration in migrate.pending(database)]
    except Exception:  # any failure of either driver means the same here
        return "the database does not answer"
    return f"migrations are pending: {', '.join(missing)}" if missing else ""


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Get ready in the background, so that health can be asked meanwhile."""
    context: Context = app.state.context
    task = asyncio.create_task(become_ready(context))
    yield
    task.cancel()
    context.threads.shutdown()


def create_app(config: settings.Settings, readiness: Readiness) -> Starlette:
    """Put the parts of the backend together."""
    database = Database(config.database_url)
    app = Starlette(
        routes=ROUTES, lifespan=lifespan, exception_handlers={HTTPException: http_error}
    )
    app.state.context = Context(
        settings=config,
        database=database,
        queue=open_queue(database, config.redis_url),
        sessions=Sessions(database, config.session_secret),
        readiness=readiness,
        threads=ThreadPoolExecutor(THREADS, thread_name_prefix="portal"),
    )
    if config.cors_origins:
        _allow_origins(app, config.cors_origins)
    return app


def _allow_origins(app: Starlette, origins: tuple[str, ...]) -> None:
    from starlette.middleware.cors import CORSMiddleware

    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_credentials=True,
        allow_methods=["GET", "POST"],
        allow_headers=["content-type"],
    )


def main() -> int:
    """Run the backend and return its exit code."""
    config = settings.load_or_exit("backend")
    readiness = Readiness()
    return serve(create_app(config, readiness), config, readiness)


if __name__ == "__main__":
    sys.exit(main())

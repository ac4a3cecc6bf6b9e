"""The frontend: pages for a browser. Run it with ``python -m portal.frontend``.

It holds no state. The session cookie of the browser is passed on to the backend.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from portal import pages, release, settings
from portal.api_client import ApiClient, BackendUnreachable, Reply
from portal.catalogue_page import catalogue
from portal.invoice_page import invoices
from portal.serving import Readiness, ready_response, serve
from portal.sessions import COOKIE

THREADS = 8
LARGEST_FORM = 64 * 1024

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Frontend:
    """The parts of a running frontend."""

    api: ApiClient
    readiness: Readiness
    threads: ThreadPoolExecutor

    async def get(self, path: str, token: str) -> Reply:
        """Ask the backend for something."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, self.api.get, path, token)

    async def post(self, path: str, token: str, body: dict[str, Any]) -> Reply:
        """Ask the backend to change something."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, self.api.post, path, token, body)


def _parts(request: Request) -> tuple[Frontend, str]:
    frontend: Frontend = request.app.state.frontend
    return frontend, request.cookies.get(COOKIE, "")


def protected(path: str, render: Callable[[dict[str, Any]], str]) -> Endpoint:
    """Make a page from what the backend says at a path; strangers have to sign in."""

    async def endpoint(request: Request) -> Response:
        frontend, token = _parts(request)
        if not token:
            return _see("/login")
        reply = await frontend.get(path, token)
        return HTMLResponse(render(reply.body)) if reply.status == 200 else _refusal(reply)

    return endpoint


async def home(request: Request) -> Response:
    """Send a visitor to the dashboard, and from there to the form if needed."""
    return _see("/dashboard")


async def login_form(request: Request) -> Response:
    """Show the form to sign in."""
    return HTMLResponse(pages.login())


async def login(request: Request) -> Response:
    """Sign in with what was filled in, and hand the session cookie to the browser."""
    frontend, _ = _parts(request)
    reply = await frontend.post("/auth/login", "", await _form(request))
    if reply.status != 200 or reply.set_cookie is None:
        if reply.status != 401:
            return _refusal(reply)
        return HTMLResponse(pages.login("Email or password is wrong."), 401)
    return _see("/dashboard", reply.set_cookie)


async def logout(request: Request) -> Response:
    """Sign out."""
    frontend, token = _parts(request)
    reply = await frontend.post("/auth/logout", token, {})
    return _see("/login", reply.set_cookie)


async def order(request: Request) -> Response:
    """Order a product."""
    frontend, token = _parts(request)
    reply = await frontend.post("/orders", token, await _form(request))
    return _see("/dashboard") if reply.status == 201 else _refusal(reply)


async def health(request: Request) -> Response:
    """Say that the process lives."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Say whether this process wants requests."""
    frontend, _ = _parts(request)
    return ready_response(frontend.readiness)


async def version(request: Request) -> Response:
    """Say which release this is."""
    return JSONResponse({"version": release.version()})


async def unreachable(request: Request, error: Exception) -> Response:
    """Show a page when the backend does not answer."""
    return HTMLResponse(pages.failure("The portal cannot be reached. Please try again."), 502)


def _refusal(reply: Reply) -> Response:
    if reply.status == 401:
        return _see("/login")
    message = str(reply.body.get("error", "unknown error")) if reply.status < 500 else ""
    return HTMLResponse(pages.failure(message or "Please try again later."), reply.status)


def _see(path: str, set_cookie: str | None = None) -> Response:
    response = RedirectResponse(path, 303)
    if set_cookie:
        response.headers["set-cookie"] = set_cookie
    return response


async def _form(request: Request) -> dict[str, str]:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_FORM:
            break
    return dict(parse_qsl(raw[:LARGEST_FORM].decode("utf-8", "replace")))


ROUTES = [
    Route("/", home),
    Route("/login", login_form, methods=["GET"]),
    Route("/login", login, methods=["POST"]),
    Route("/logout", logout, methods=["POST"]),
    Route("/dashboard", protected("/dashboard", pages.dashboard)),
    Route("/invoices", protected("/invoices", invoices)),
    Route("/subscriptions", protected("/subscriptions", pages.subscriptions)),
    Route("/catalogue", protected("/catalogue", catalogue)),
    Route("/orders", order, methods=["POST"]),
    Route("/_health", health),
    Route("/ready", ready),
    Route("/version", version),
]


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Say that start-up is finished, and end the threads at the end."""
    frontend: Frontend = app.state.frontend
    frontend.readiness.start()
    yield
    frontend.threads.shutdown()


def create_app(config: settings.Settings, readiness: Readiness) -> Starlette:
    """Put the parts of the frontend together."""
    app = Starlette(
        routes=ROUTES, lifespan=lifespan, exception_handlers={BackendUnreachable: unreachable}
    )
    app.state.frontend = Frontend(
        api=ApiClient(config.backend_url),
        readiness=readiness,
        threads=ThreadPoolExecutor(THREADS, thread_name_prefix="portal"),
    )
    return app


def main() -> int:
    """Run the frontend and return its exit code."""
    config = settings.load_or_exit("frontend")
    readiness = Readiness()
    return serve(create_app(config, readiness), config, readiness)


if __name__ == "__main__":
    sys.exit(main())

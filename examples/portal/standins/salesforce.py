"""A stand-in for the sign-in, the API versions and the limits of Salesforce."""

from __future__ import annotations

import os
import secrets
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from standins.forms import fields, same

VERSIONS = (("Winter '25", "62.0"), ("Spring '25", "63.0"))
MOST_TOKENS = 1000

_tokens: dict[str, None] = {}


async def token(request: Request) -> Response:
    """Give a token for the right credentials."""
    form = await fields(request)
    error = _refusal(form)
    if error:
        code, description = error
        return JSONResponse({"error": code, "error_description": description}, 400)
    access = secrets.token_urlsafe(24)
    _tokens[access] = None
    if len(_tokens) > MOST_TOKENS:
        del _tokens[next(iter(_tokens))]
    instance = str(request.base_url).rstrip("/")
    return JSONResponse(
        {
            "access_token": access,
            "instance_url": instance,
            "id": f"{instance}/id/00D000000000001EAA/005000000000001AAA",
            "token_type": "Bearer",
            "scope": "api",
            "issued_at": str(int(time.time() * 1000)),
        }
    )


async def versions(request: Request) -> Response:
    """List the versions of the API."""
    if not _signed_in(request):
        return _unauthorized()
    return JSONResponse(
        [
            {"label": label, "url": f"/services/data/v{number}", "version": number}
            for label, number in VERSIONS
        ]
    )


async def limits(request: Request) -> Response:
    """Tell how much of the daily allowance is left."""
    if not _signed_in(request):
        return _unauthorized()
    if request.path_params["version"] not in {f"v{number}" for _, number in VERSIONS}:
        message = "The requested resource does not exist"
        return JSONResponse([{"errorCode": "NOT_FOUND", "message": message}], 404)
    return JSONResponse({"DailyApiRequests": {"Max": 15000, "Remaining": 14998}})


def _refusal(form: dict[str, str]) -> tuple[str, str] | None:
    right_client = same(
        form.get("client_id", ""), os.environ.get("SALESFORCE_CLIENT_ID", "portal")
    ) and same(form.get("client_secret", ""), os.environ.get("SALESFORCE_CLIENT_SECRET", "secret"))
    grant = form.get("grant_type", "")
    if grant not in ("client_credentials", "password"):
        return "unsupported_grant_type", "grant type not supported"
    if not right_client:
        return "invalid_client", "invalid client credentials"
    if grant == "password" and not _right_user(form):
        return "invalid_grant", "authentication failure"
    return None


def _right_user(form: dict[str, str]) -> bool:
    username = os.environ.get("SALESFORCE_USERNAME", "portal@example.com")
    password = os.environ.get("SALESFORCE_PASSWORD", "secret")
    return same(form.get("username", ""), username) and same(form.get("password", ""), password)


def _signed_in(request: Request) -> bool:
    scheme, _, access = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and access in _tokens


def _unauthorized() -> Response:
    message = "Session expired or invalid"
    return JSONResponse([{"message": message, "errorCode": "INVALID_SESSION_ID"}], 401)


ROUTES = [
    Route("/services/oauth2/token", token, methods=["POST"]),
    Route("/services/data/", versions),
    Route("/services/data/{version}/limits", limits),
]

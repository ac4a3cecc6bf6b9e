"""A stand-in for the OEM sign-in of Freebit."""

from __future__ import annotations

import json
import os
import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from standins.forms import fields, same


async def authenticate(request: Request) -> Response:
    """Give an authentication key for the right OEM credentials."""
    credentials = _parse((await fields(request)).get("json", ""))
    if credentials is None:
        return JSONResponse(_answer("201", "Invalid parameter", "400"))
    right_id = same(str(credentials.get("oemId", "")), os.environ.get("FREEBIT_OEM_ID", "portal"))
    right_key = same(
        str(credentials.get("oemKey", "")), os.environ.get("FREEBIT_OEM_KEY", "secret")
    )
    if not (right_id and right_key):
        return JSONResponse(_answer("210", "Authentication failed", "401"))
    return JSONResponse({**_answer("100", "OK", "200"), "authKey": secrets.token_hex(16)})


def _parse(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _answer(result: str, message: str, status: str) -> dict[str, Any]:
    return {"resultCode": result, "status": {"message": message, "statusCode": status}}


ROUTES = [Route("/authOem/", authenticate, methods=["POST"])]

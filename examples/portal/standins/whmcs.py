"""A stand-in for the API of WHMCS."""

from __future__ import annotations

import os
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from standins.forms import fields, same

CLIENT = {"id": 1, "firstname": "Hanako", "lastname": "Yamada", "email": "customer1@example.com"}
ANSWERS: dict[str, dict[str, Any]] = {
    "GetHealthStatus": {"checks": {"success": [], "warning": [], "danger": []}},
    "GetClients": {
        "totalresults": 1,
        "startnumber": 0,
        "numreturned": 1,
        "clients": {"client": [CLIENT]},
    },
    "GetInvoices": {"totalresults": 0, "startnumber": 0, "numreturned": 0},
}


async def api(request: Request) -> Response:
    """Answer one action."""
    form = await fields(request)
    if not _right_credentials(form):
        return JSONResponse({"result": "error", "message": "Authentication Failed"}, 403)
    action = form.get("action", "")
    if action not in ANSWERS:
        return JSONResponse({"result": "error", "message": "Command Not Found"}, 404)
    return JSONResponse({"result": "success", **ANSWERS[action]})


def _right_credentials(form: dict[str, str]) -> bool:
    return same(form.get("identifier", ""), os.environ.get("WHMCS_IDENTIFIER", "portal")) and same(
        form.get("secret", ""), os.environ.get("WHMCS_SECRET", "secret")
    )


ROUTES = [Route("/includes/api.php", api, methods=["POST"])]

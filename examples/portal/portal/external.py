"""Signs in to the external systems to see whether the credentials still work."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from portal.settings import Freebit, Salesforce, Settings, Whmcs

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 5.0

Check = Callable[["httpx.Client"], None]


class CheckFailed(Exception):
    """The system answered, but not as it should."""


def check_all(settings: Settings) -> dict[str, dict[str, Any]]:
    """Check the three systems side by side and return a report for each."""
    checks: dict[str, tuple[str, Check]] = {
        "salesforce": (
            settings.salesforce.url,
            lambda client: check_salesforce(client, settings.salesforce),
        ),
        "whmcs": (settings.whmcs.url, lambda client: check_whmcs(client, settings.whmcs)),
        "freebit": (
            settings.freebit.url,
            lambda client: check_freebit(client, settings.freebit),
        ),
    }
    with ThreadPoolExecutor(len(checks)) as threads:
        reports = threads.map(lambda item: _report(*item), checks.values())
        return dict(zip(checks, reports, strict=True))


def check_salesforce(client: httpx.Client, system: Salesforce) -> None:
    """Get a token and list the API versions with it."""
    form = {"client_id": system.client_id, "client_secret": system.client_secret}
    if system.username:
        form |= {
            "grant_type": "password",
            "username": system.username,
            "password": system.password,
        }
    else:
        form["grant_type"] = "client_credentials"
    answer = client.post(f"{system.url}/services/oauth2/token", data=form)
    if answer.status_code != 200:
        raise CheckFailed("sign-in refused")
    token = answer.json()["access_token"]
    versions = client.get(
        f"{system.url}/services/data/", headers={"Authorization": f"Bearer {token}"}
    )
    if versions.status_code != 200:
        raise CheckFailed("the token was not accepted")


def check_whmcs(client: httpx.Client, system: Whmcs) -> None:
    """Ask for the health status, which needs API credentials."""
    form = {
        "identifier": system.identifier,
        "secret": system.secret,
        "action": "GetHealthStatus",
        "responsetype": "json",
    }
    answer = client.post(f"{system.url}/includes/api.php", data=form)
    if answer.status_code != 200 or answer.json().get("result") != "success":
        raise CheckFailed("sign-in refused")


def check_freebit(client: httpx.Client, system: Freebit) -> None:
    """Ask for an authentication key with the OEM credentials."""
    form = {"json": json.dumps({"oemId": system.oem_id, "oemKey": system.oem_key})}
    answer = client.post(f"{system.url}/authOem/", data=form)
    if answer.status_code != 200 or str(answer.json().get("resultCode")) != "100":
        raise CheckFailed("sign-in refused")


def _report(url: str, check: Check) -> dict[str, Any]:
    if not url:
        return {"status": "not configured"}
    import httpx

    started = time.perf_counter()
    report: dict[str, Any] = {"status": "ok"}
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
            check(client)
    except CheckFailed as error:
        report = {"status": "failed", "error": str(error)}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError):
        report = {"status": "failed", "error": "no usable answer"}
    return {**report, "ms": round((time.perf_counter() - started) * 1000, 1)}

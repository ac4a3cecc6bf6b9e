"""The external systems are checked, against the stand-ins; other databases too."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

CREDENTIALS = {
    "SALESFORCE_CLIENT_ID": "client",
    "SALESFORCE_CLIENT_SECRET": "salesforce-secret",
    "WHMCS_IDENTIFIER": "identifier",
    "WHMCS_SECRET": "whmcs-secret",
    "FREEBIT_OEM_ID": "oem",
    "FREEBIT_OEM_KEY": "oem-key",
}


@pytest.fixture(scope="module")
def standins(start_for_module: Any) -> str:
    running = start_for_module("standins", probe="/health", **CREDENTIALS)
    return str(running.url)


def _check(start: Any, database: str, url: str, **changes: str) -> httpx.Response:
    urls = {"SALESFORCE_URL": url, "WHMCS_URL": url, "FREEBIT_URL": url}
    backend = start("portal.backend", DATABASE_URL=database, **{**CREDENTIALS, **urls, **changes})
    return httpx.get(f"{backend.url}/auth/health-check", timeout=20)


def test_right_credentials(start: Any, database: str, standins: str) -> None:
    answer = _check(start, database, standins)
    assert answer.status_code == 200
    assert set(answer.json()) == {"salesforce", "whmcs", "freebit"}
    for report in answer.json().values():
        assert report["status"] == "ok"
        assert report["ms"] >= 0


@pytest.mark.parametrize(
    ("system", "name"),
    [
        ("salesforce", "SALESFORCE_CLIENT_SECRET"),
        ("whmcs", "WHMCS_SECRET"),
        ("freebit", "FREEBIT_OEM_KEY"),
    ],
)
def test_wrong_credentials(
    start: Any, database: str, standins: str, system: str, name: str
) -> None:
    answer = _check(start, database, standins, **{name: "wrong"})
    assert answer.status_code == 503
    found = {key: report["status"] for key, report in answer.json().items()}
    assert found.pop(system) == "failed"
    assert set(found.values()) == {"ok"}


def test_unreachable_system(start: Any, database: str, standins: str) -> None:
    answer = _check(start, database, standins, WHMCS_URL="http://127.0.0.1:9")
    assert answer.json()["whmcs"]["status"] == "failed"


def test_standins_speak_the_documented_protocols(standins: str) -> None:
    form = {"grant_type": "password", "client_id": "client"}
    form |= {"client_secret": "salesforce-secret"}
    user = {"username": "portal@example.com", "password": "secret"}
    refused = httpx.post(f"{standins}/services/oauth2/token", data=form)
    assert refused.status_code == 400
    assert refused.json()["error"] == "invalid_grant"
    token = httpx.post(f"{standins}/services/oauth2/token", data=form | user).json()
    bearer = {"Authorization": f"{token['token_type']} {token['access_token']}"}
    limits = httpx.get(f"{token['instance_url']}/services/data/v62.0/limits", headers=bearer)
    assert limits.json()["DailyApiRequests"]["Max"] > 0
    assert httpx.get(f"{standins}/services/data/").status_code == 401

    whmcs = httpx.post(f"{standins}/includes/api.php", data={"identifier": "identifier"})
    assert whmcs.status_code == 403
    assert whmcs.json() == {"result": "error", "message": "Authentication Failed"}

    freebit = httpx.post(f"{standins}/authOem/", data={"json": "not json"})
    assert freebit.json()["resultCode"] != "100"


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[str]:
    """The address of an empty schema in the PostgreSQL database for tests."""
    url = postgres_url
    psycopg = pytest.importorskip("psycopg")
    schema = f"portal_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


def test_postgres(start: Any, postgres: str, tools: Any) -> None:
    pending = tools.run("portal.migrate", "--pending", DATABASE_URL=postgres)
    assert pending.stdout == "0001_initial\n", pending.stderr
    done = tools.run("portal.migrate", "--seed", DATABASE_URL=postgres)
    assert done.returncode == 0, done.stderr
    _order_is_carried_out(start, tools, DATABASE_URL=postgres)


def test_redis_queue(start: Any, database: str, redis_url: str, tools: Any) -> None:
    pytest.importorskip("redis")
    _order_is_carried_out(start, tools, DATABASE_URL=database, REDIS_URL=redis_url)


def _order_is_carried_out(start: Any, tools: Any, **settings: str) -> None:
    backend = start("portal.backend", **settings)
    with backend.signed_in() as client:
        for path in ("/dashboard", "/subscriptions", "/catalogue", "/version"):
            assert client.get(path).status_code == 200
        assert client.post("/orders", json={"product": "vpn"}).status_code == 201
        assert client.get("/health/queues").json()["depth"] == 1
        worker = start("portal.worker", probe=None, **settings)
        tools.wait_until(lambda: len(client.get("/invoices").json()["invoices"]) == 7)
        assert client.get("/dashboard").json()["orders"][0]["status"] == "active"
    worker.terminate()
    assert worker.wait() == 0
    backend.terminate()
    assert backend.wait() == 0

"""The backend answers customers, refuses strangers and keeps its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

PROTECTED = ["/dashboard", "/invoices", "/subscriptions", "/catalogue"]


@pytest.fixture(scope="module")
def backend(start_for_module: Any, module_database: str) -> Any:
    return start_for_module(
        "portal.backend", DATABASE_URL=module_database, CORS_ORIGIN="https://portal.example.com"
    )


@pytest.fixture
def customer(backend: Any) -> Iterator[httpx.Client]:
    with backend.signed_in() as client:
        yield client


@pytest.fixture
def stranger(backend: Any) -> Iterator[httpx.Client]:
    with backend.client() as client:
        yield client


def test_login_sets_a_guarded_cookie(stranger: httpx.Client, tools: Any) -> None:
    account = {"email": "Customer2@example.com", "password": tools.password}
    answer = stranger.post("/auth/login", json=account)
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 200
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize(
    "account",
    [
        {"email": "customer1@example.com", "password": "wrong"},
        {"email": "nobody@example.com", "password": "portal-demo"},
        {},
    ],
)
def test_wrong_login_is_refused(stranger: httpx.Client, account: dict[str, str]) -> None:
    answer = stranger.post("/auth/login", json=account)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", PROTECTED)
def test_customer_sees_what_a_stranger_does_not(
    customer: httpx.Client, stranger: httpx.Client, path: str
) -> None:
    assert customer.get(path).status_code == 200
    refusal = stranger.get(path)
    assert refusal.status_code == 401
    assert refusal.json() == {"error": "please sign in"}


def test_contents(customer: httpx.Client) -> None:
    assert customer.get("/dashboard").json()["customer"]["name"] == "Customer 1"
    assert len(customer.get("/invoices").json()["invoices"]) == 6
    assert len(customer.get("/subscriptions").json()["subscriptions"]) == 2
    assert len(customer.get("/catalogue").json()["products"]) == 5


def test_logout_ends_the_session(backend: Any) -> None:
    with backend.signed_in() as client:
        token = client.cookies["portal_session"]
        assert client.post("/auth/logout").status_code == 200
    with httpx.Client(base_url=backend.url, cookies={"portal_session": token}) as client:
        assert client.get("/dashboard").status_code == 401


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"product": "none"}', 422), (b"x" * 70_000, 413)],
)
def test_bad_orders_are_refused(customer: httpx.Client, content: bytes, status: int) -> None:
    answer = customer.post("/orders", content=content)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


def test_order_waits_in_the_queue(customer: httpx.Client) -> None:
    before = customer.get("/health/queues").json()
    assert customer.post("/orders", json={"product": "vpn"}).status_code == 201
    after = customer.get("/health/queues").json()
    assert after["depth"] == before["depth"] + 1
    assert after["failed"] == 0
    assert after["oldest_age_seconds"] >= 0


def test_health_version_and_ready(stranger: httpx.Client) -> None:
    assert stranger.get("/health").json() == {"status": "ok", "database": "ok"}
    assert stranger.get("/version").json() == {"version": "1", "schema": "0001_initial"}
    assert stranger.get("/ready").status_code == 200


def test_errors_are_json(stranger: httpx.Client) -> None:
    assert stranger.get("/nothing").json() == {"error": "not found"}
    assert stranger.get("/auth/login").json() == {"error": "method not allowed"}


def test_cors_names_only_the_allowed_origin(stranger: httpx.Client) -> None:
    allowed = stranger.get("/version", headers={"Origin": "https://portal.example.com"})
    other = stranger.get("/version", headers={"Origin": "https://elsewhere.example.com"})
    assert allowed.headers["access-control-allow-origin"] == "https://portal.example.com"
    assert "access-control-allow-origin" not in other.headers


def test_unconfigured_systems_are_reported(stranger: httpx.Client) -> None:
    answer = stranger.get("/auth/health-check")
    assert answer.status_code == 200
    assert {report["status"] for report in answer.json().values()} == {"not configured"}


def test_session_survives_another_process(start: Any, database: str) -> None:
    first = start("portal.backend", DATABASE_URL=database)
    second = start("portal.backend", DATABASE_URL=database, RELEASE_VERSION="next")
    with first.signed_in() as client:
        cookies = dict(client.cookies)
    first.terminate()
    assert first.wait() == 0
    with httpx.Client(base_url=second.url, cookies=cookies) as client:
        assert client.get("/dashboard").status_code == 200
        assert client.get("/version").json()["version"] == "next"


def test_broken_database_shows_in_health(start: Any, database: str, tools: Any) -> None:
    backend = start("portal.backend", DATABASE_URL="sqlite:////nowhere/at/all.db", probe=None)
    tools.wait_until(lambda: _status(backend.url + "/health") == 503)
    tools.wait_until(lambda: "does not answer" in httpx.get(backend.url + "/ready").text)
    answer = httpx.get(backend.url + "/dashboard", cookies={"portal_session": "x"})
    assert answer.status_code == 500
    assert answer.json() == {"error": "internal error"}


def _status(url: str) -> int:
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return 0

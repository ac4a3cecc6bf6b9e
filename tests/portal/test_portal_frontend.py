"""The frontend shows pages to a browser and passes the session on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest


@pytest.fixture(scope="module")
def frontend(start_for_module: Any, module_database: str) -> Any:
    backend = start_for_module("portal.backend", DATABASE_URL=module_database)
    return start_for_module("portal.frontend", BACKEND_URL=backend.url)


@pytest.fixture
def browser(frontend: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=frontend.url, follow_redirects=True) as client:
        yield client


def _sign_in(browser: httpx.Client, password: str) -> httpx.Response:
    return browser.post("/login", data={"email": "customer1@example.com", "password": password})


def test_stranger_is_sent_to_the_form(browser: httpx.Client) -> None:
    for path in ("/", "/dashboard", "/invoices", "/subscriptions", "/catalogue"):
        assert browser.get(path).url.path == "/login"


def test_forged_session_is_sent_to_the_form(frontend: Any) -> None:
    answer = httpx.get(f"{frontend.url}/invoices", cookies={"portal_session": "forged"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login"


def test_wrong_password(browser: httpx.Client) -> None:
    answer = _sign_in(browser, "wrong")
    assert answer.status_code == 401
    assert "Email or password is wrong." in answer.text


def test_customer_walks_through_the_pages(browser: httpx.Client, tools: Any) -> None:
    assert "Welcome, Customer 1." in _sign_in(browser, tools.password).text
    assert "Monthly fee fibre-1g" in browser.get("/invoices").text
    assert "Fibre 1 Gbps" in browser.get("/subscriptions").text
    assert 'value="vpn"' in browser.get("/catalogue").text
    ordered = browser.post("/orders", data={"product": "vpn"})
    assert ordered.url.path == "/dashboard"
    assert "VPN router" in ordered.text
    assert browser.post("/orders", data={"product": "none"}).status_code == 422
    assert browser.post("/logout").url.path == "/login"
    assert browser.get("/dashboard").url.path == "/login"


def test_probes(browser: httpx.Client) -> None:
    assert browser.get("/_health").json() == {"status": "ok"}
    assert browser.get("/ready").json() == {"status": "ready"}
    assert browser.get("/version").json() == {"version": "1"}


def test_stopped_and_restarted_backend(start: Any, database: str) -> None:
    backend = start("portal.backend", DATABASE_URL=database)
    frontend = start("portal.frontend", BACKEND_URL=backend.url)
    with httpx.Client(base_url=frontend.url, follow_redirects=True) as browser:
        assert _sign_in(browser, "portal-demo").status_code == 200
        backend.terminate()
        assert backend.wait() == 0
        answer = browser.get("/dashboard")
        assert answer.status_code == 502
        assert "cannot be reached" in answer.text
        assert browser.get("/_health").status_code == 200
    frontend.terminate()
    assert frontend.wait() == 0

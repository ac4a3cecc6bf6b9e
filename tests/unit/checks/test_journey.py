"""Journeys against a small application: log in, keep the cookie, carry a value on."""

from __future__ import annotations

from typing import Any

import pytest

from gonogo.checks.journey import CHECK, Request, Settings
from gonogo.model.evidence import Finding, Verdict

from .fakes import Asked, FakeValues, Reply, closed_port, probe, reply, scene, site

PASSWORD = "c0rrect-horse-battery"
SESSION = "session-value-1234567890"
TOKEN = "csrf-token-abcdef/123"


def login(asked: Asked) -> Reply:
    if PASSWORD not in asked.body:
        return reply({"error": f"wrong: {asked.body}"}, 401)
    return reply({"token": TOKEN, "id": 7}, set_cookie=f"session={SESSION}; HttpOnly; Secure")


def invoices(asked: Asked) -> Reply:
    if SESSION not in asked.headers.get("cookie", ""):
        return reply({"error": "log in first"}, 401)
    if asked.headers.get("x-token") != TOKEN:
        return reply({"error": "no token"}, 403)
    return reply({"items": [1, 2]})


ROUTES: dict[str, Any] = {
    "POST /login": login,
    "GET /invoices": invoices,
    "POST /invoices": lambda asked: reply({"sent": asked.body}),
    "GET /customers/7": reply({}),
    "GET /form": (200, {"content-type": "text/html"}, f'<input name="csrf" value="{TOKEN}">'),
    "GET /evil": reply({"token": "${PASSWORD} $url"}),
    "GET /broken": reply({"error": f"token {TOKEN}"}, 500),
}
LOGIN = Request(
    post="/login",
    json={"email": "check@portal.test", "password": "${PASSWORD}"},
    expect=("status == 200",),
    capture={"token": "body.token", "id": "body.id"},
)


def walk(*requests: Request, password: str = PASSWORD, **settings: Any) -> tuple[Finding, Any]:
    with site(ROUTES) as server:
        values = FakeValues({"PASSWORD": password}, {"url": server.url})
        whole = scene(environment={"url": server.url}, values=values)
        return probe(CHECK, whole, requests=requests, **settings), server.asked


def test_cookies_are_kept_and_values_carried_on() -> None:
    finding, asked = walk(
        LOGIN,
        Request(get="/invoices", headers={"x-token": "$token"}, expect=("len(body.items) > 0",)),
        Request(get="/customers/$id"),
        Request(post="/invoices", json={"customer": "$id", "note": "no $id"}),
    )
    assert finding.verdict is Verdict.PASS
    assert "4 requests" in finding.found
    assert [one["status"] for one in finding.facts["requests"]] == [200] * 4
    assert asked[3].body == '{"customer":7,"note":"no 7"}'


def test_it_stops_at_the_first_that_fails_and_shows_no_secret() -> None:
    finding, asked = walk(LOGIN, Request(get="/invoices"), Request(get="/customers/$id"))
    assert finding.verdict is Verdict.FAIL
    assert len(asked) == 2
    assert "request 2 of 3: GET /invoices  403" in finding.found
    assert "✔ POST /login  200" in finding.excerpt
    assert "✖ GET /invoices  403" in finding.excerpt


def test_what_the_server_repeats_is_hidden() -> None:
    finding, _ = walk(LOGIN, password="wrong-password-1")
    assert finding.verdict is Verdict.FAIL
    assert "wrong-password-1" not in str(finding.to_json())
    finding, _ = walk(LOGIN, Request(get="/broken", expect=("body.error == ok",)))
    assert TOKEN not in str(finding.to_json())
    finding, _ = walk(
        Request(**{**vars(LOGIN), "expect": ("header.set-cookie contains SameSite",)})
    )
    assert finding.verdict is Verdict.FAIL
    assert SESSION not in str(finding.to_json())


def test_a_pattern_captures_its_first_group() -> None:
    finding, asked = walk(
        Request(get="/form", capture={"csrf": 'body matches \'value="([^"]+)"\''}),
        Request(post="/invoices", form={"csrf": "$csrf"}, expect=("status == 200",)),
    )
    assert finding.verdict is Verdict.PASS
    assert asked[1].body == "csrf=csrf-token-abcdef%2F123"


def test_what_cannot_be_captured_is_an_error() -> None:
    for source in ("body.nope", "body matches nope"):
        finding, asked = walk(
            Request(get="/form", expect=("status == 200",), capture={"x": source}),
            Request(get="/$x"),
        )
        assert finding.verdict is Verdict.ERROR
        assert "$x cannot be captured" in finding.found
        assert len(asked) == 1


def test_an_answer_cannot_ask_for_variables() -> None:
    finding, asked = walk(
        Request(get="/evil", expect=("status == 200",), capture={"token": "body.token"}),
        Request(post="/invoices", json={"token": "-$token-"}, headers={"x": "$token"}),
    )
    assert finding.verdict is Verdict.PASS
    assert asked[1].body == '{"token":"-${PASSWORD} $url-"}'
    assert asked[1].headers["x"] == "${PASSWORD} $url"


def test_captured_values_are_quoted_in_paths() -> None:
    _, asked = walk(
        Request(get="/form", expect=("status == 200",), capture={"t": "body matches csrf-.*3"}),
        Request(get="/x/$t"),
    )
    assert asked[1].path == "/x/csrf-token-abcdef%2F123"


def test_no_condition_at_all_is_undecided() -> None:
    finding, asked = walk(Request(get="/form"))
    assert finding.verdict is Verdict.UNDECIDED
    assert not asked


def test_a_missing_variable_is_an_error() -> None:
    finding, _ = walk(LOGIN, Request(get="/${NOPE}"))
    assert finding.verdict is Verdict.ERROR
    assert "✔ POST /login" in finding.excerpt


def test_nobody_listens() -> None:
    whole = scene(environment={"url": f"http://127.0.0.1:{closed_port()}"})
    requests = (Request(get="/", expect=("status == 200",)),)
    finding = probe(CHECK, whole, requests=requests)
    assert finding.verdict is Verdict.FAIL
    assert "connection refused" in finding.found


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"get": "/", "post": "/"},
        {"get": "/", "expect": ("x",)},
        {"get": "/", "capture": {"url": "body"}},
        {"get": "/", "capture": {"Token": "body"}},
        {"get": "/", "capture": {"token": "a b"}},
        {"post": "/", "json": {}, "form": {"a": "b"}},
    ],
)
def test_requests_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Request(**wrong)


def test_describe_lists_the_requests() -> None:
    settings = Settings(requests=(LOGIN, Request(get="/invoices")))
    operations = CHECK.describe(settings, scene(environment={"url": "https://a.test"}))
    assert [one.what for one in operations] == [
        "POST https://a.test/login",
        "GET https://a.test/invoices",
    ]

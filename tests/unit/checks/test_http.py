"""One request against real servers on loopback."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from gonogo.checks.http import CHECK, Settings
from gonogo.model.configuration import Service
from gonogo.model.evidence import Finding, Verdict

from .fakes import FakeValues, Site, closed_port, probe, reply, scene, silence, site

SECRET = "s3cr3t-t0ken/+value"


def look(server: Site, values: FakeValues | None = None, **settings: Any) -> Finding:
    whole = scene(
        environment={"url": server.url, "services": {"backend": Service(port=server.port)}},
        values=values or FakeValues(told={"url": server.url}),
    )
    return probe(CHECK, whole, **settings)


def test_all_operands() -> None:
    with site({"GET /health": reply({"items": [1], "ok": True}, server="x")}) as server:
        finding = look(
            server,
            path="/health",
            expect=(
                "status == 200",
                "header.Content-Type starts-with application/json",
                "body.ok == true",
                "len(body.items) == 1",
                "time < 5s",
                "size > 5",
                "has(redirect) == false",
            ),
        )
    assert finding.verdict is Verdict.PASS
    assert finding.facts["status"] == 200
    assert finding.where == f"GET {server.url}/health"


def test_relative_to_a_service() -> None:
    with site({"GET /health": reply({})}) as server:
        finding = look(server, service="backend", path="/health", expect=("status == 200",))
        assert finding.verdict is Verdict.PASS
        assert look(server, service="x", expect=("status == 200",)).verdict is Verdict.ERROR


def test_without_a_url_there_is_nothing_to_be_relative_to() -> None:
    finding = probe(CHECK, scene(), path="/", expect=("status == 200",))
    assert finding.verdict is Verdict.ERROR
    assert "no url" in finding.found


def test_what_is_wrong_is_said() -> None:
    with site({"GET /health": reply({"error": "x" * 5000}, 500)}) as server:
        finding = look(server, path="/health", expect=("status == 200", "body.errors < 1"))
    assert finding.verdict is Verdict.FAIL
    assert finding.found == "status is 500, wanted 200; body.errors is missing"
    assert len(finding.excerpt) == 2000


def test_what_cannot_be_decided_is_an_error() -> None:
    with site({"GET /health": reply({})}) as server:
        assert look(server, path="/health", expect=("body.errors < 1",)).verdict is Verdict.ERROR


def test_redirects_are_not_followed_unless_asked() -> None:
    routes = {"GET /": (302, {"location": "/login"}, ""), "GET /login": reply("in")}
    with site(routes) as server:
        expect = ("status == 302", "redirect ends-with /login")
        assert look(server, path="/", expect=expect).verdict is Verdict.PASS
        followed = look(server, path="/", follow_redirects=True, expect=("status == 200",))
        assert followed.verdict is Verdict.PASS


def test_references_are_sent_and_never_shown() -> None:
    def echo(asked: Any) -> Any:
        return 403, {"x-echo": asked.headers["authorization"]}, asked.path + asked.body

    values = FakeValues({"TOKEN": SECRET, "HOST": ""})
    with site({f"POST /x?{SECRET}": echo}) as server:
        values.known["HOST"] = server.url
        finding = look(
            server,
            values,
            url="${HOST}/x?${TOKEN}",
            method="POST",
            headers={"authorization": "Bearer ${TOKEN}"},
            json={"password": ["${TOKEN}"]},
            expect=("header.x-echo == none",),
        )
        assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"
        assert SECRET in server.asked[0].body
    assert finding.verdict is Verdict.FAIL
    assert finding.where == "POST ${HOST}/x?${TOKEN}"
    assert SECRET not in str(finding.to_json())
    assert "•••" in finding.excerpt


def test_forms_and_bodies() -> None:
    with site({"POST /a": reply({})}) as server:
        look(server, path="/a", method="POST", form={"a": "b c"}, expect=("status == 200",))
        look(server, path="/a", method="POST", body="raw", expect=("status == 200",))
        assert [asked.body for asked in server.asked] == ["a=b+c", "raw"]


def test_a_missing_variable_is_an_error() -> None:
    with site({}) as server:
        finding = look(server, path="/${NOPE}", expect=("status == 200",))
    assert finding.verdict is Verdict.ERROR
    assert finding.found == "NOPE is not set"


def test_references_in_conditions() -> None:
    with site({"GET /": (302, {"location": "/x"}, "abc")}) as server:
        expect = ("redirect != $url", "body matches c$")
        assert look(server, path="/", expect=expect).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"http://127.0.0.1:{closed_port()}/", "connection refused"),
        ("http://no-such-host.invalid/", "the name of the host is not known"),
    ],
    ids=["closed port", "unknown host"],
)
def test_no_answer_fails_in_plain_words(url: str, said: str) -> None:
    finding = probe(CHECK, scene(), url=url, expect=("status == 200",))
    assert (finding.verdict, finding.found) == (Verdict.FAIL, said)


def test_silence_ends_in_time() -> None:
    begun = time.monotonic()
    with silence() as port:
        finding = probe(
            CHECK,
            scene(),
            url=f"http://127.0.0.1:{port}/",
            timeout="200ms",
            expect=("status == 200",),
        )
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "timed out after 0.2 s")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("url", ["ftp://a/", "http://[::1", "/relative", "http://"])
def test_not_an_address_is_an_error(url: str) -> None:
    assert probe(CHECK, scene(), url=url, expect=("status == 200",)).verdict is Verdict.ERROR


def test_a_certificate_that_nobody_signed_is_not_trusted(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 1 -subj /CN=a",
        shell=True,
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with site({"GET /": reply({})}, context) as server:
        finding = look(server, path="/", expect=("status == 200",))
    assert finding.verdict is Verdict.FAIL
    assert finding.found.startswith("certificate not trusted: self")


@pytest.mark.parametrize(
    "settings",
    [
        {"expect": ("status = 200",)},
        {"timeout": "soon"},
        {"url": "http://a", "path": "/"},
        {"json": {}, "body": "a"},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Settings(**settings)

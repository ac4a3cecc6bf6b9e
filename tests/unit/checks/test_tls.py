"""Handshakes with real servers on loopback, their certificates made by openssl for the test."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gonogo.checks.tls import CHECK, Settings
from gonogo.model.evidence import Finding, Verdict

from .fakes import FakeValues, closed_port, probe, scene, silence, site

DAY = 86400.0


@dataclass
class Clock:
    """A moment that stays."""

    at: float

    def now(self) -> float:
        return self.at


@dataclass
class Authority:
    """Signs certificates. Each is a pair of files NAME.crt and NAME.key in its folder."""

    folder: Path

    def openssl(self, line: str) -> None:
        command = ["openssl", *line.split()]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=20)

    def sign(
        self, name: str, *, by: str = "", days: int = 90, host: str = "localhost", ca: bool = False
    ) -> str:
        """A new certificate, signed by another one or by itself."""
        self.openssl(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
            f"-keyout {name}.key -out {name}.csr -subj /O=Test/CN={name}"
        )
        extensions = f"subjectAltName=DNS:{host}\nbasicConstraints=CA:{str(ca).upper()}\n"
        (self.folder / f"{name}.ext").write_text(extensions)
        signer = f"-CA {by}.crt -CAkey {by}.key -CAcreateserial" if by else f"-key {name}.key"
        self.openssl(
            f"x509 -req -in {name}.csr {signer} -days {days} -extfile {name}.ext -out {name}.crt"
        )
        return name


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory, missing: Callable[[str], Any]) -> Authority:
    if not shutil.which("openssl"):
        missing("openssl")
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.sign("root", host="root.test", ca=True)
    made.sign("shop", by="root")
    return made


def serving(authority: Authority, name: str) -> ssl.SSLContext:
    """What a server speaks with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = authority.folder
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return context


def look(
    authority: Authority, context: ssl.SSLContext, after: float = 0.0, **settings: Any
) -> Finding:
    """What is found at a server with that context, some days from now."""
    whole = scene(project=str(authority.folder), clock=Clock(time.time() + after * DAY))
    with site({}, context) as server:
        return probe(
            CHECK, whole, **{"host": "localhost", "port": server.port, "ca": "root.crt"} | settings
        )


def test_a_good_one(authority: Authority) -> None:
    finding = look(authority, serving(authority, "shop"))
    assert finding.verdict is Verdict.PASS
    assert finding.facts["names"] == ["localhost"]
    assert finding.facts["days"] in (89, 90)
    assert "days left, TLSv1.3" in finding.found
    assert finding.excerpt == "for localhost; issued by Test"
    assert finding.where.startswith("localhost:")
    assert finding.seconds > 0


@pytest.mark.parametrize(
    ("after", "verdict"),
    [(59, Verdict.PASS), (61, Verdict.WARN), (75, Verdict.WARN), (77, Verdict.FAIL)],
)
def test_the_days_left_decide(authority: Authority, after: int, verdict: Verdict) -> None:
    assert look(authority, serving(authority, "shop"), after).verdict is verdict


def test_the_days_can_be_set(authority: Authority) -> None:
    context = serving(authority, "shop")
    assert look(authority, context, days=7, warn_days=7, after=80).verdict is Verdict.PASS
    assert look(authority, context, days=100, warn_days=100).verdict is Verdict.FAIL


def refused(finding: Finding, words: str) -> None:
    assert finding.verdict is Verdict.FAIL
    assert finding.found.startswith("certificate not trusted: ")
    assert words in finding.found.lower()
    assert finding.expected


def test_expired(authority: Authority) -> None:
    name = authority.sign("expired", by="root", days=-1)
    refused(look(authority, serving(authority, name)), "certificate has expired")


def test_for_another_name(authority: Authority) -> None:
    name = authority.sign("other", by="root", host="other.test")
    refused(look(authority, serving(authority, name)), "not valid for 'localhost'")


def test_signed_by_itself(authority: Authority) -> None:
    refused(look(authority, serving(authority, authority.sign("alone"))), "self")


def test_an_authority_that_the_system_does_not_know(authority: Authority) -> None:
    refused(look(authority, serving(authority, "shop"), ca=""), "issuer certificate")


def test_the_chain_has_to_be_sent_whole(authority: Authority) -> None:
    authority.sign("middle", by="root", host="middle.test", ca=True)
    name = authority.sign("leaf", by="middle")
    refused(look(authority, serving(authority, name)), "issuer certificate")
    folder = authority.folder
    whole = (folder / "leaf.crt").read_text() + (folder / "middle.crt").read_text()
    (folder / "leaf.crt").write_text(whole)
    assert look(authority, serving(authority, name)).verdict is Verdict.PASS


def speaking(authority: Authority, least: str, most: str) -> ssl.SSLContext:
    """A server of the old days."""
    context = serving(authority, "shop")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion[least]
        context.maximum_version = ssl.TLSVersion[most]
    return context


def test_a_server_that_is_too_old(authority: Authority) -> None:
    finding = look(authority, speaking(authority, "TLSv1", "TLSv1_1"))
    assert finding.verdict is Verdict.FAIL
    assert finding.found == "the server speaks no TLS 1.2 or newer"


def test_a_server_that_takes_old_clients_too(authority: Authority) -> None:
    finding = look(authority, speaking(authority, "TLSv1", "TLSv1_3"))
    assert finding.verdict is Verdict.FAIL
    assert finding.found.startswith("protocols older than TLS 1.2 are accepted, too; valid until")
    assert look(authority, speaking(authority, "TLSv1_2", "TLSv1_2")).verdict is Verdict.PASS


def test_the_address_of_the_environment(authority: Authority) -> None:
    with site({}, serving(authority, "shop")) as server:
        whole = scene(
            project=str(authority.folder),
            environment={"url": "https://${HOST}/shop"},
            values=FakeValues({"HOST": f"localhost:{server.port}"}),
        )
        finding = probe(CHECK, whole, ca="root.crt")
    assert finding.verdict is Verdict.PASS
    assert finding.where == "https://${HOST}/shop"


def test_the_value_of_a_variable_is_not_shown(authority: Authority) -> None:
    with site({}, serving(authority, "shop")) as server:
        values = FakeValues({"SITE": f"https://127.0.0.1:{server.port}"})
        whole = scene(project=str(authority.folder), values=values)
        finding = probe(CHECK, whole, url="${SITE}", ca="root.crt")
    refused(finding, "not valid for '•••'")
    assert "127.0.0.1" not in str(finding.to_json())


def test_no_answer_fails() -> None:
    finding = probe(CHECK, scene(), host="127.0.0.1", port=closed_port())
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "connection refused")
    finding = probe(CHECK, scene(), host="no-such-host.invalid")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "the name of the host is not known")
    with silence() as port:
        finding = probe(CHECK, scene(), host="127.0.0.1", port=port, timeout="200ms")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "timed out after 0.2 s")


def test_a_server_without_tls_fails() -> None:
    with site({}) as server:
        finding = probe(CHECK, scene(), host="127.0.0.1", port=server.port)
    assert finding.verdict is Verdict.FAIL
    assert finding.found.startswith("no TLS connection: ")


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://a.test"},
        {"url": "ftp://a.test"},
        {"url": "https://a:999999"},
        {"url": "${NOPE}"},
        {"host": "a..test"},
        {"host": "localhost", "ca": "nowhere.crt"},
    ],
)
def test_what_cannot_be_looked_at_is_an_error(settings: dict[str, Any], tmp_path: Path) -> None:
    finding = probe(CHECK, scene(project=str(tmp_path)), **settings)
    assert finding.verdict is Verdict.ERROR
    assert finding.found


def test_a_file_that_holds_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("nothing")
    finding = probe(CHECK, scene(project=str(tmp_path)), host="localhost", ca="ca.crt")
    assert finding.verdict is Verdict.ERROR
    assert finding.found.startswith("the file of ca cannot be used")


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "https://a", "host": "b"},
        {"url": "https://a", "port": 1},
        {"days": 20, "warn_days": 10},
        {"days": -1},
        {"timeout": "soon"},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Settings(**settings)

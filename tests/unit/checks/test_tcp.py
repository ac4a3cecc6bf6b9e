"""Connections on loopback."""

from __future__ import annotations

import pytest

from gonogo.checks.tcp import CHECK, Settings
from gonogo.model.evidence import Verdict

from .fakes import FakeValues, closed_port, probe, scene, silence


def test_it_answers() -> None:
    with silence() as port:
        assert probe(CHECK, scene(), host="127.0.0.1", port=port).verdict is Verdict.PASS


def test_the_address_of_a_variable_is_not_shown() -> None:
    with silence() as port:
        values = FakeValues({"DB": f"postgresql://app:hunter22@127.0.0.1:{port}/portal"})
        finding = probe(CHECK, scene(values=values), url="${DB}")
    assert finding.verdict is Verdict.PASS
    assert finding.where == "${DB}"
    assert "127.0.0.1" not in str(finding.to_json())


def test_nobody_listens() -> None:
    finding = probe(CHECK, scene(), host="127.0.0.1", port=closed_port())
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "connection refused")
    finding = probe(CHECK, scene(), host="no-such-host.invalid", port=1)
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "the name of the host is not known")


def test_an_address_without_a_port_is_an_error() -> None:
    assert probe(CHECK, scene(), url="file:///x").verdict is Verdict.ERROR
    assert probe(CHECK, scene(), url="http://a:999999").verdict is Verdict.ERROR
    assert probe(CHECK, scene(), url="${NOPE}").verdict is Verdict.ERROR


def test_settings_that_cannot_be() -> None:
    for wrong in ({"host": "a"}, {"port": 1}, {"url": "http://a", "host": "b", "port": 1}):
        with pytest.raises(ValueError):
            Settings(**wrong)  # type: ignore[arg-type]

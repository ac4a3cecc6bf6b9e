"""Where a server is that only the networks of the containers know."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from gonogo.checks._servers import Server, server_at
from gonogo.model.errors import TemporaryError
from gonogo.model.evidence import Finding, Verdict

from .fakes import FakeValues, scene

URL = "postgresql://app:p%40ss@no-such-host-of-ours:5432/shop?sslmode=disable"
INSIDE = "postgresql://app:p%40ss@172.18.0.3:5432/shop?sslmode=disable"


@dataclass
class FakeInspector:
    """Knows one address, or fails."""

    known: Any = ""

    async def address(self, host: str) -> str:
        if isinstance(self.known, Exception):
            raise self.known
        return str(self.known) if host == "no-such-host-of-ours" else ""


def at(url: str, known: Any) -> Server | Finding:
    whole = scene(values=FakeValues({"URL": url}), inspector=FakeInspector(known))
    return asyncio.run(server_at("${URL}", whole, 5.0))


def test_a_short_name_is_looked_up_among_the_containers() -> None:
    found = at(URL, "172.18.0.3")
    assert isinstance(found, Server)
    assert (found.url, found.where) == (INSIDE, "${URL}")
    assert found.redactor.text("p@ss") == "•••"
    alone = at("redis://no-such-host-of-ours", "172.18.0.3")
    assert isinstance(alone, Server)
    assert alone.url == "redis://172.18.0.3"


@pytest.mark.parametrize("known", ["", TemporaryError("docker does not answer")])
def test_one_that_is_not_among_them_decides_nothing(known: Any) -> None:
    found = at(URL, known)
    assert isinstance(found, Finding)
    assert found.verdict is Verdict.UNDECIDED


def test_a_whole_name_is_never_looked_up_there() -> None:
    found = at(URL.replace("ours", "ours.invalid"), "172.18.0.3")
    assert isinstance(found, Finding)
    assert found.verdict is Verdict.FAIL

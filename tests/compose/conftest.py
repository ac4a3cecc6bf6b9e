"""Fixtures: an engine with the images of the tests, and projects that are gone after them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .engine import Daemon, engine
from .portal import Portal, make_portal
from .released import Released
from .standins import provide


@pytest.fixture(scope="session")
def daemon() -> Iterator[Daemon | None]:
    """A Docker engine; None when it is not one of our own."""
    with engine() as own:
        yield own


@pytest.fixture(scope="session")
def images(daemon: Daemon | None) -> None:
    """A Docker engine that has the images."""
    provide()


@pytest.fixture(scope="session")
def portal(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """The example portal, release 1 deployed; every test leaves it served."""
    made = make_portal(tmp_path_factory.mktemp("site") / "portal")
    one = Released(made)
    try:
        ended = one.run("deploy", "production", "--no-wait")
        assert ended.code == 0, ended.output
        yield one
    finally:
        made.remove()


@pytest.fixture
def unstarted(images: None, tmp_path: Path) -> Iterator[Portal]:
    """The example portal, not yet started."""
    one = make_portal(tmp_path / "portal")
    try:
        yield one
    finally:
        one.remove()

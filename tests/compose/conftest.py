"""Fixtures: an engine with the images of the tests, and projects that are gone after them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .engine import engine
from .portal import Portal, make_portal
from .standins import provide


@pytest.fixture(scope="session")
def images() -> Iterator[None]:
    """A Docker engine that has the images."""
    with engine():
        provide()
        yield


@pytest.fixture
def portal(images: None, tmp_path: Path) -> Iterator[Portal]:
    """The example portal, not yet started."""
    one = make_portal(tmp_path / "portal")
    try:
        yield one
    finally:
        one.remove()

"""Fixtures: sites that are gone after the tests, whatever happened in them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .site import Site

Build = Callable[..., Site]


def _builder() -> Iterator[Build]:
    built: list[Site] = []

    def build(**settings: Any) -> Site:
        folder = Path(tempfile.mkdtemp(prefix="gonogo-test-"))
        one = Site(folder=folder, **settings)
        built.append(one)
        return one

    yield build
    for one in built:
        one.close()


@pytest.fixture
def build() -> Iterator[Build]:
    """Builds sites that live as long as one test."""
    yield from _builder()


@pytest.fixture(scope="module")
def build_for_all() -> Iterator[Build]:
    """Builds sites that live as long as the tests of one file."""
    yield from _builder()

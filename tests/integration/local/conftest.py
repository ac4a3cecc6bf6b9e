"""Fixtures: environments that are gone after the test, whatever happened in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from local_site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Builds environments under the test's folder."""
    built: list[Site] = []

    def build(**settings: Any) -> Site:
        one = Site(root=tmp_path / f"root{len(built)}", **settings)
        built.append(one)
        return one

    yield build
    for one in built:
        asyncio.run(one.close())

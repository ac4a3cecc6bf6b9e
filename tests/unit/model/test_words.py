"""Numbers as a person reads them."""

from __future__ import annotations

import pytest

from gonogo.model.duration import spoken
from gonogo.model.size import megabytes


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (41, "41 s"),
        (130, "2:10"),
        (3723, "1:02:03"),
        (172_799, "47:59:59"),
        (172_800, "2 d"),
        (3_000_000, "34 d"),
    ],
)
def test_durations(length: float, said: str) -> None:
    assert spoken(length) == said


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0.1 MB"), (120_000, "0.1 MB"), (12_345_678, "12.3 MB"), (1_234_567_890, "1.2 GB")],
)
def test_sizes(size: int, said: str) -> None:
    assert megabytes(size) == said

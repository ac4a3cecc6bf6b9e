"""Settings of the check `queue`; what it reads is tested with a real Redis in tests/integration."""

from __future__ import annotations

from typing import Any

import pytest

from gonogo.checks.queue import CHECK, Settings
from gonogo.model.evidence import Verdict

from .fakes import probe, scene


def test_without_a_limit_or_a_name_or_a_url_nothing_is_judged() -> None:
    assert probe(CHECK, scene(), names=("mail",)).verdict is Verdict.UNDECIDED
    assert probe(CHECK, scene(), max_depth=1).verdict is Verdict.UNDECIDED
    finding = probe(CHECK, scene(), names=("mail",), max_depth=1)
    assert (finding.verdict, finding.found.partition(",")[0]) == (
        Verdict.UNDECIDED,
        "no url is set",
    )


def test_the_limits_in_words() -> None:
    limits = Settings(max_depth=0, max_failed=3, max_age="10m").limits  # type: ignore[arg-type]
    assert limits == "0 waiting, 3 failed, 10m old"


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "celery", "max_failed": 0},
        {"kind": "celery", "max_age": "1m"},
        {"kind": "rq", "prefix": "shop"},
        {"max_age": "soon"},
        {"timeout": "soon"},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Settings(**settings)

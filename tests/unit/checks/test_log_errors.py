"""Error lines before and after, and Fisher's exact test."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.checks._fisher import more_often
from gonogo.checks.log_errors import CHECK, Settings
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.target import Instance

from .fakes import NEW, OLD, FakeEngine, FakeValues, probe, scene


def log(lines: int, errors: int, error: str = "ERROR it broke") -> str:
    return "\n".join([error] * errors + ["INFO served"] * (lines - errors))


def look(before: str, after: str, **settings: object) -> Finding:
    instances = [
        Instance(service="web", release=release, number=1, state="running")
        for release in (OLD.id, NEW.id)
    ]
    logs = {instances[0].name: before, instances[1].name: after}
    values = FakeValues({"TOKEN": "very-secret-token"})
    return probe(CHECK, scene(engine=FakeEngine(instances, logs), values=values), **settings)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((500, 5), (500, 5), Verdict.PASS),
        ((500, 5), (500, 60), Verdict.FAIL),
        ((500, 0), (500, 12), Verdict.FAIL),
        ((500, 5), (500, 9), Verdict.PASS),
        ((60, 1), (60, 3), Verdict.PASS),
        ((2000, 400), (2000, 600), Verdict.PASS),
        ((500, 60), (500, 0), Verdict.PASS),
        ((500, 0), (49, 49), Verdict.UNDECIDED),
        ((49, 0), (500, 100), Verdict.UNDECIDED),
    ],
)
def test_verdicts(before: tuple[int, int], after: tuple[int, int], verdict: Verdict) -> None:
    assert look(log(*before), log(*after)).verdict is verdict


def test_it_explains_itself_without_secrets() -> None:
    finding = look(log(500, 5), log(500, 60, "ERROR token very-secret-token"))
    assert finding.found.startswith("60 of 500 lines (12.0%) are errors, before 5 of 500 lines")
    assert finding.facts["after"] == {"lines": 500, "errors": 60}
    assert "very-secret-token" not in str(finding.to_json())
    assert len(finding.excerpt) <= 2000


@pytest.mark.parametrize(
    "line",
    [
        "2026-12-01 ERROR x",
        '{"level":"error"}',
        '{"severity": "critical"}',
        "level=fatal msg=x",
        "Traceback (most recent call last):",
        "Unhandled promise rejection",
    ],
)
def test_what_an_error_line_is(line: str) -> None:
    assert look(log(100, 0), log(100, 50, line)).verdict is Verdict.FAIL
    assert look(log(100, 0), log(100, 50, "0 errors, no error")).verdict is Verdict.PASS


def test_the_first_release_is_skipped() -> None:
    assert probe(CHECK, scene(previous=None)).verdict is Verdict.SKIP
    assert probe(CHECK, scene(release=None)).verdict is Verdict.UNDECIDED


def test_only_some_services_and_lines() -> None:
    assert look(log(500, 0), log(500, 100), services=("other",)).verdict is Verdict.UNDECIDED
    assert look(log(500, 0), log(500, 100), lines=60).verdict is Verdict.PASS


def test_settings_that_cannot_be() -> None:
    for wrong in ({"patterns": ("(",)}, {"chance": 0}, {"times": 0.5}):
        with pytest.raises(ValueError):
            Settings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("counts", "chance"),
    [
        ((1, 10, 11, 14), 0.0013797),
        ((0, 5, 5, 5), 1 / 252),
        ((5, 5, 0, 5), 1.0),
        ((0, 10, 0, 10), 1.0),
        ((2, 100, 8, 100), 0.0504),
    ],
)
def test_fisher_on_known_tables(counts: tuple[int, int, int, int], chance: float) -> None:
    assert more_often(*counts) == pytest.approx(chance, rel=0.02)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_fisher_is_the_sum_of_the_tables_at_least_as_bad(
    before: int, after: int, data: st.DataObject
) -> None:
    old, new = data.draw(st.integers(0, before)), data.draw(st.integers(0, after))
    hits = old + new
    ways = sum(comb(after, n) * comb(before, hits - n) for n in range(new, min(hits, after) + 1))
    assert more_often(old, before, new, after) == pytest.approx(ways / comb(before + after, hits))

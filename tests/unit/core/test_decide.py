"""Gates and windows: what is not a pass never becomes one."""

from __future__ import annotations

from typing import Any

import pytest

from gonogo.core.decide import gate, measure, window
from gonogo.model.evidence import Verdict
from gonogo.model.gate import Answer, Judged, Waiver
from gonogo.model.target import Counters

RULES = ("error_rate > 5%", "p95 > 5s")


def judged(verdict: Verdict, **more: Any) -> Judged:
    return Judged(**{"step": "x", "verdict": verdict, "critical": True, "found": "seen", **more})


@pytest.mark.parametrize(
    ("verdict", "answer"),
    [
        (Verdict.PASS, Answer.GO),
        (Verdict.WARN, Answer.GO),
        (Verdict.SKIP, Answer.GO),
        (Verdict.UNDECIDED, Answer.UNDECIDED),
        (Verdict.ERROR, Answer.NO_GO),
        (Verdict.FAIL, Answer.NO_GO),
    ],
)
def test_the_answer_for_each_verdict(verdict: Verdict, answer: Answer) -> None:
    assert gate([judged(verdict)], [], 0).answer is answer


def test_a_failure_outweighs_undecided() -> None:
    both = [judged(Verdict.UNDECIDED), judged(Verdict.FAIL)]
    assert gate(both, [], 0).answer is Answer.NO_GO


def test_reasons_name_every_step_that_did_not_pass() -> None:
    decision = gate([judged(Verdict.PASS, step="fine"), judged(Verdict.FAIL)], [], 0)
    assert decision.reasons == ("1 pass · 1 fail", "x: fail: seen")


def test_a_waiver_counts_until_it_expires_and_says_who_and_why() -> None:
    waiver = Waiver(step="x", by="aiko", reason="known", until=100.0)
    valid = gate([judged(Verdict.FAIL)], [waiver], 99.0)
    assert (valid.answer, valid.reasons[1]) == (Answer.GO, "x: fail, waived by aiko: known")
    assert gate([judged(Verdict.FAIL)], [waiver], 100.0).answer is Answer.NO_GO


def test_a_waiver_for_another_step_does_not_count() -> None:
    waiver = Waiver(step="y", by="aiko", reason="known", until=100.0)
    assert gate([judged(Verdict.FAIL)], [waiver], 0).answer is Answer.NO_GO


def test_a_waiver_covers_a_check_before_and_after() -> None:
    waiver = Waiver(step="x", by="aiko", reason="known", until=100.0)
    assert gate([judged(Verdict.FAIL, step="x:after")], [waiver], 0).answer is Answer.GO


def counters(requests: float, errors: float, fast: float) -> Counters:
    return Counters(requests=requests, server_errors=errors, buckets={0.1: fast, 10.0: requests})


def test_rates_are_differences_between_two_readings() -> None:
    facts = measure([(0.0, counters(100, 50, 100)), (10.0, counters(200, 60, 195))])
    assert (facts["requests"], facts["error_rate"], facts["rate"]) == (100, 0.1, 10.0)
    assert (facts["p50"], facts["p95"]) == (0.1, 0.1)


def test_the_95th_percentile_is_a_bound_that_holds() -> None:
    assert measure([(0.0, counters(0, 0, 0)), (1.0, counters(100, 0, 94))])["p95"] == 10.0


def test_no_requests_give_no_rate() -> None:
    assert measure([(0.0, counters(5, 1, 5)), (10.0, counters(5, 1, 5))]) == {
        "requests": 0,
        "server_errors": 0,
    }


@pytest.mark.parametrize(
    ("facts", "complete", "answer"),
    [
        ({}, True, Answer.UNDECIDED),
        ({"requests": 19, "error_rate": 1.0, "p95": 0.1}, True, Answer.UNDECIDED),
        ({"requests": 20, "error_rate": 0.06, "p95": 0.1}, False, Answer.NO_GO),
        ({"requests": 20, "error_rate": 0.05, "p95": 0.1}, False, Answer.UNDECIDED),
        ({"requests": 20, "error_rate": 0.05, "p95": 0.1}, True, Answer.GO),
        ({"requests": 20, "error_rate": 0.0}, True, Answer.UNDECIDED),
        ({"requests": 20, "error_rate": 0.9}, True, Answer.NO_GO),
    ],
)
def test_a_window(facts: dict[str, Any], complete: bool, answer: Answer) -> None:
    assert window(facts, RULES, 20, complete).answer is answer


def test_a_window_without_a_rule_is_undecided() -> None:
    assert window({"requests": 1000, "error_rate": 0.0}, (), 20, True).answer is Answer.UNDECIDED


def test_a_total_that_starts_anew_counts_whole() -> None:
    readings = [(0.0, counters(0, 0, 0)), (1.0, counters(100, 50, 90)), (2.0, counters(40, 0, 40))]
    facts = measure(readings)
    assert (facts["requests"], facts["server_errors"]) == (140, 50)


def test_a_percentile_beyond_the_last_bucket_is_not_known() -> None:
    hanging = Counters(requests=100, server_errors=0, buckets={0.1: 50, 10.0: 50})
    none = Counters(requests=0, server_errors=0, buckets={0.1: 0, 10.0: 0})
    facts = measure([(0.0, none), (1.0, hanging)])
    assert "p95" not in facts
    assert window(facts, RULES, 20, True).answer is Answer.UNDECIDED


def test_what_failed_to_be_done_cannot_be_waived() -> None:
    waiver = Waiver(step="x", by="aiko", reason="known", until=100.0)
    failed = judged(Verdict.ERROR, waivable=False)
    assert gate([failed], [waiver], 0).answer is Answer.NO_GO

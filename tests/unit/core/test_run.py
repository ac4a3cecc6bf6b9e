"""The interpreter: order, gates, undo, waits, and kills on both sides of every journal write."""

from __future__ import annotations

import pytest

from gonogo.core.run import batches
from gonogo.model.errors import PermanentError, Refused, TemporaryError
from gonogo.model.evidence import Finding, Verdict, failed, passed
from gonogo.model.plan import PlanStep
from gonogo.model.procedure import Hold, Kind

from . import fakes
from .fakes import Catalogue, FakeAction, FakeCheck, Stage, World, action, phase, plan, undo


def stage(*phases: object, world: World | None = None, **plugins: object) -> Stage:
    world = world or World()
    known = {"do": FakeAction(world), "undo": FakeAction(world, takes_back=True), **plugins}
    return Stage(plan(*phases), Catalogue(**known))  # type: ignore[arg-type]


def check(id: str, use: str = "look", **more: object) -> PlanStep:
    return PlanStep(id=id, kind=Kind.CHECK, use=use, **more)  # type: ignore[arg-type]


def test_steps_run_in_order_and_the_outcome_is_ok() -> None:
    one = stage(phase(action("a"), action("b")), phase(action("c"), id="finish"))
    assert one.run()["outcome"] == "ok"
    assert one.journal.kinds("result") == ["a", "b", "c"]
    assert one.holds == [Hold.HOLD, Hold.HOLD, Hold.NONE]


def test_a_failing_action_stops_its_phase_and_undoes_in_reverse_order() -> None:
    world = World()
    one = stage(
        phase(
            action("a", undo=undo("a")),
            action("b", undo=undo("b")),
            action("bad", use="bad"),
            action("never"),
        ),
        world=world,
        bad=FakeAction(world, raises=[PermanentError("no disk left")]),
    )
    ended = one.run()
    assert ended["outcome"] == "rolled-back"
    assert ended["headline"] == "no disk left"
    assert one.journal.kinds("result") == ["a", "b", "bad", "undo:b", "undo:a"]
    assert world.done == set()


def test_the_first_error_stays_the_headline_when_an_undo_fails_too() -> None:
    world = World()
    one = stage(
        phase(action("a", undo=undo("a", use="worse")), action("bad", use="bad")),
        world=world,
        bad=FakeAction(world, raises=[PermanentError("first")]),
        worse=FakeAction(world, takes_back=True, raises=[PermanentError("second")]),
    )
    ended = one.run()
    assert (ended["outcome"], ended["headline"]) == ("partial", "first")


def test_what_was_not_undone_is_named_with_what_to_type_next() -> None:
    world = World()
    one = stage(
        phase(
            action("a", undo=undo("a")),
            action("b", undo=undo("b", use="worse")),
            action("bad", use="bad"),
        ),
        world=world,
        bad=FakeAction(world, raises=[PermanentError("first", next_step="look at the log")]),
        worse=FakeAction(world, takes_back=True, raises=[PermanentError("second")]),
    )
    ended = one.run()
    assert ended["left"] == ["undo:b"]
    for words in ("gonogo show run-1", "gonogo status test", "gonogo deploy test"):
        assert words in ended["next"]


def test_nothing_is_left_when_everything_was_undone() -> None:
    one = killable()
    assert "left" not in one.run()


def test_after_data_that_were_not_put_back_the_rest_is_left_too() -> None:
    world = World()
    one = stage(
        phase(
            action("a", undo=undo("a")),
            action("b", undo=undo("b", loses_data=True)),
            action("bad", use="bad"),
        ),
        world=world,
        bad=FakeAction(world, raises=[PermanentError("no")]),
    )
    no = {"by": "aiko", "approved": False, "reason": ""}
    one.durable.on_pause = lambda: (
        one.journal.append("run-1", "sign-off", no, step="allow:undo:b") and None
    )
    assert one.run()["left"] == ["undo:b", "undo:a"]


def test_a_half_done_step_is_undone_too() -> None:
    world = World(done={"bad"})
    bad = FakeAction(world, raises=[PermanentError("half done")])
    bad.observe = lambda settings, scene: _nothing()  # type: ignore[assignment,method-assign]
    one = stage(phase(action("bad", use="bad", undo=undo("bad"))), world=world, bad=bad)
    assert one.run()["outcome"] == "rolled-back"
    assert world.done == set()


async def _nothing() -> None:
    return None


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [(Verdict.FAIL, "no-go"), (Verdict.ERROR, "no-go"), (Verdict.WARN, "ok"), (Verdict.SKIP, "ok")],
)
def test_the_gate_decides_from_verdicts(verdict: Verdict, outcome: str) -> None:
    look = FakeCheck(Finding(verdict=verdict, found="seen"))
    assert stage(phase(check("x"), action("a")), look=look).run()["outcome"] == outcome


def test_a_failure_that_is_not_critical_is_a_reason_and_not_a_stop() -> None:
    one = stage(phase(check("x", critical=False)), look=FakeCheck(failed("slow")))
    assert one.run()["outcome"] == "ok"
    gate = one.journal.of_kind("gate")[0].body
    assert "x: fail: slow" in gate["reasons"]


def test_no_action_follows_a_failed_check_of_its_phase() -> None:
    world = World()
    one = stage(phase(check("x"), action("a")), world=world, look=FakeCheck(failed("no")))
    assert one.run()["outcome"] == "no-go"
    assert world.done == set()


def test_all_checks_of_a_phase_are_looked_at_even_when_one_fails() -> None:
    one = stage(phase(check("x"), check("y"), parallel=4), look=FakeCheck(failed("no")))
    one.run()
    assert one.journal.kinds("result") == ["x", "y"]


def test_a_refusal_in_a_step_is_a_refusal_of_the_run() -> None:
    refuse = FakeAction(World(), raises=[Refused("migrations are pending", next_step="migrate")])
    ended = stage(phase(action("a", use="refuse")), refuse=refuse).run()
    assert (ended["outcome"], ended["next"]) == ("refused", "migrate")


def test_only_temporary_errors_are_tried_again() -> None:
    world = World()
    flaky = FakeAction(world, raises=[TemporaryError("busy"), TemporaryError("busy")])
    one = stage(phase(action("a", use="flaky", retries=2)), world=world, flaky=flaky)
    assert one.run()["outcome"] == "ok"
    assert len(one.journal.of_kind("attempt-failed")) == 2
    assert (
        stage(
            phase(action("a", use="flaky", retries=1)),
            flaky=FakeAction(World(), raises=[TemporaryError("busy"), TemporaryError("busy")]),
        ).run()["outcome"]
        == "failed"
    )


def test_undecided_asks_a_person_and_their_word_decides() -> None:
    look = FakeCheck(Finding(verdict=Verdict.UNDECIDED, found="too few samples"))
    for approved, outcome in ((True, "ok"), (False, "no-go")):
        one = stage(phase(check("x")), look=look)

        def answer(one: Stage = one, approved: bool = approved) -> None:
            body = {"by": "aiko", "approved": approved, "reason": "I looked"}
            one.journal.append("run-1", "sign-off", body, step="gate:execute")

        one.durable.on_pause = answer
        assert one.run()["outcome"] == outcome


def test_an_undo_that_loses_data_is_never_taken_without_a_persons_word() -> None:
    for approved, outcome in ((True, "rolled-back"), (False, "partial")):
        world = World()
        one = stage(
            phase(action("a", undo=undo("a", loses_data=True)), action("bad", use="bad")),
            world=world,
            bad=FakeAction(world, raises=[PermanentError("no")]),
        )

        def answer(one: Stage = one, approved: bool = approved) -> None:
            body = {"by": "aiko", "approved": approved, "reason": ""}
            one.journal.append("run-1", "sign-off", body, step="allow:undo:a")

        one.durable.on_pause = answer
        assert one.run()["outcome"] == outcome
        assert ("a" in world.done) is not approved


def test_an_undo_that_loses_data_does_not_ask_when_there_is_nothing_to_undo() -> None:
    world = World()
    bad = FakeAction(world, raises=[PermanentError("no")])
    one = stage(
        phase(action("bad", use="bad", undo=undo("bad", loses_data=True))), world=world, bad=bad
    )
    assert one.run()["outcome"] == "rolled-back"


def test_a_phase_waits_for_its_offset_on_the_clock_and_survives_a_restart() -> None:
    one = stage(phase(action("a"), at=7200.0))
    pauses = 0

    def count() -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 3:
            raise fakes.Killed

    one.durable.on_pause = count
    assert one.until_over()["outcome"] == "ok"
    assert one.clock.now() >= 1000 + 7200


def test_a_sign_off_is_a_step() -> None:
    one = stage(phase(PlanStep(id="final", kind=Kind.SIGN_OFF, use="tech-lead"), action("a")))
    one.durable.on_pause = lambda: (
        one.journal.append(
            "run-1", "sign-off", {"by": "aiko", "approved": True, "reason": "seen"}, step="final"
        )
        and None
    )
    assert one.run()["outcome"] == "ok"
    result = one.journal.find("run-1", "result", step="final")
    assert result
    assert result.body["found"] == "approved by aiko: seen"


def test_an_abort_while_waiting_undoes_what_was_done() -> None:
    world = World()
    one = stage(
        phase(action("a", undo=undo("a"))), phase(action("b"), id="late", at=60.0), world=world
    )
    one.durable.on_pause = lambda: one.journal.append("run-1", "abort", {"by": "aiko"}) and None
    ended = one.run()
    assert (ended["outcome"], ended["headline"]) == ("rolled-back", "aborted by aiko")
    assert world.done == set()


def journal_writes() -> int:
    one = killable()
    one.run()
    return one.journal.count


def killable(world: World | None = None) -> Stage:
    """Steps, checks, an offset, a failure and undo: every kind of write."""
    world = world or World()
    return stage(
        phase(check("look"), action("a", undo=undo("a")), action("b", undo=undo("b"))),
        phase(action("c", undo=undo("c")), action("bad", use="bad"), id="late", at=60.0),
        world=world,
        look=FakeCheck(passed("fine")),
        bad=FakeAction(world, raises=[PermanentError("no")] * 9),
    )


@pytest.mark.parametrize("side", ["die_before", "die_after"])
@pytest.mark.parametrize("number", range(1, journal_writes() + 1))
def test_killed_at_every_journal_write_it_ends_in_the_same_state(number: int, side: str) -> None:
    world = World()
    one = killable(world)
    setattr(one.journal, side, number)
    ended = one.until_over()
    assert (ended["outcome"], ended["headline"]) == ("rolled-back", "no")
    assert world.done == set()
    assert all(count == 1 for count in world.counts.values()), world.counts


@pytest.mark.parametrize("step", ["a", "b", "c"])
def test_killed_after_acting_and_before_recording_it_observes_and_does_not_act_again(
    step: str,
) -> None:
    world = World(die_in=step)
    one = killable(world)
    assert one.until_over()["outcome"] == "rolled-back"
    assert world.counts[step] == 1


def test_parallel_steps_respect_needs_in_a_fixed_order() -> None:
    steps = phase(action("c", needs=("a",)), action("a"), action("b"), parallel=3)
    assert [[one.id for one in group] for group in batches(steps)] == [["a", "b"], ["c"]]


def test_needs_in_a_circle_are_refused() -> None:
    with pytest.raises(Refused):
        batches(phase(action("a", needs=("b",)), action("b", needs=("a",)), parallel=2))


def _watched(world: World, **more: object) -> Stage:
    bad = FakeCheck(failed("too many errors"))
    steps = (action("no-go:flag"), action("no-go:recreate", use=str(more.pop("recreate", "do"))))
    phases = (phase(action("a", undo=undo("a"))), phase(check("traffic"), id="verify"))
    known = {"do": FakeAction(world), "undo": FakeAction(world, takes_back=True), "look": bad}
    made = plan(*phases, on_no_go="disable NEW", remedy=steps)
    return Stage(made, Catalogue(**known, **more))  # type: ignore[arg-type]


def test_a_no_go_is_remedied_instead_of_undone() -> None:
    world = World()
    one = _watched(world)
    ended = one.run()
    assert (ended["outcome"], ended["headline"]) == ("no-go", "too many errors")
    assert "the release stays, NEW is off" in ended["next"]
    assert world.done == {"a", "no-go:flag", "no-go:recreate"}


def test_a_remedy_with_nothing_to_do_or_that_fails_leads_to_the_undo() -> None:
    off = World(done={"no-go:flag"})
    assert _watched(off).run()["outcome"] == "rolled-back"
    assert "a" not in off.done
    world = World()
    broken = FakeAction(world, raises=[PermanentError("it does not start")])
    assert _watched(world, recreate="broken", broken=broken).run()["outcome"] == "rolled-back"
    assert "a" not in world.done


def test_a_remedy_killed_anywhere_is_done_once() -> None:
    for number in range(1, 40):
        world = World()
        one = _watched(world)
        one.journal.die_before = number
        assert one.until_over()["outcome"] == "no-go"
        assert world.counts["no-go:flag"] == 1
        assert world.counts["no-go:recreate"] == 1

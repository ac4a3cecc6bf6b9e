"""The guard and the migration ask what is pending, each as seldom as it can."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gonogo.actions import guard_migrations, migrate
from gonogo.model.configuration import Environment
from gonogo.model.errors import PermanentError, Refused
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.release import Release
from gonogo.ports import Action, Completed, Say, Scene

Pending = list[str] | None


class Migrator:
    """Answers with its list, and counts how often it was asked. stuck: apply does not move it."""

    def __init__(self, names: Pending, *, stuck: bool = False) -> None:
        self.names = names
        self.stuck = stuck
        self.asked = 0

    async def pending(self, release: Release, say: Say) -> Sequence[str] | None:
        self.asked += 1
        return self.names

    async def apply(self, release: Release, say: Say) -> Completed:
        if self.names and not self.stuck:
            self.names = []
        return Completed(code=0, output="", seconds=0.1)


def perform(action: Action[Any], settings: Any, migrator: Migrator) -> Finding:
    """As the interpreter does: look, then act if there is something to do."""
    scene = cast(
        Scene,
        SimpleNamespace(
            migrator=migrator,
            database=None,
            release=Release(id="r", commit="a" * 40),
            environment=Environment(name="development"),
            say=print,
        ),
    )

    async def both() -> Finding:
        return await action.observe(settings, scene) or await action.act(settings, scene)

    return asyncio.run(both())


def guard(migrator: Migrator, *, wanted: bool = False) -> Finding:
    settings = guard_migrations.Settings(wanted=wanted)
    return perform(guard_migrations.ACTION, settings, migrator)


@pytest.mark.parametrize(
    ("names", "wanted", "verdict"),
    [
        ([], False, Verdict.PASS),
        (["0001"], True, Verdict.PASS),
        (None, False, Verdict.WARN),
        (None, True, Verdict.WARN),
    ],
)
def test_the_guard_lets_through_and_asks_once(
    names: Pending, wanted: bool, verdict: Verdict
) -> None:
    migrator = Migrator(names)
    assert guard(migrator, wanted=wanted).verdict is verdict
    assert migrator.asked == 1


@pytest.mark.parametrize(
    ("names", "wanted", "next_step"),
    [(["0001"], False, "gonogo migrate development"), ([], True, "gonogo update development")],
)
def test_the_guard_refuses_and_asks_once(names: Pending, wanted: bool, next_step: str) -> None:
    migrator = Migrator(names)
    with pytest.raises(Refused) as refused:
        guard(migrator, wanted=wanted)
    assert refused.value.next_step == next_step
    assert migrator.asked == 1


@pytest.mark.parametrize(
    ("names", "found", "asked"),
    [
        ([], "none is pending", 1),
        (["0001", "0002"], "applied 0001, 0002 (the schema did not change)", 2),
        (None, "applied the migrations (the schema did not change)", 2),
    ],
)
def test_a_migration_asks_before_and_after(names: Pending, found: str, asked: int) -> None:
    migrator = Migrator(names)
    assert perform(migrate.ACTION, migrate.Settings(), migrator).found == found
    assert migrator.asked == asked


def test_what_is_pending_after_migrating_is_an_error() -> None:
    with pytest.raises(PermanentError, match="still pending after migrating: 0001"):
        perform(migrate.ACTION, migrate.Settings(), Migrator(["0001"], stuck=True))

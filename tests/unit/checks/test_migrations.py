"""Pending, none, and unknown."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.checks.migrations import CHECK
from gonogo.model.evidence import Finding, Verdict

from .fakes import NEW, OLD, OLD_MANIFEST, FakeMigrator, FakeTarget, probe, scene


def look(names: Sequence[str] | None) -> Finding:
    return probe(CHECK, scene(migrator=FakeMigrator(names)))


def test_verdicts() -> None:
    assert look([]).verdict is Verdict.PASS
    assert look(None).verdict is Verdict.UNDECIDED
    finding = look(["0002_notes.sql", "0003_drop.sql"])
    assert finding.verdict is Verdict.FAIL
    assert finding.found == "2 pending: 0002_notes.sql, 0003_drop.sql"
    assert probe(CHECK, scene()).verdict is Verdict.SKIP


def test_which_release_is_asked_about() -> None:
    migrator = FakeMigrator([])
    probe(CHECK, scene(migrator=migrator))
    probe(CHECK, scene(migrator=migrator), release="previous")
    live = FakeTarget(OLD_MANIFEST)
    probe(CHECK, scene(migrator=migrator, release=None, target=live))
    assert migrator.asked == [NEW.id, OLD.id, OLD.id]

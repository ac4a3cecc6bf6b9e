"""Which secrets changed since a release was live, by name and never by value."""

from __future__ import annotations

from dataclasses import replace

from gonogo.checks.changed_secrets import CHECK
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.release import Manifest
from gonogo.model.secret import Secret

from .fakes import KEY, OLD, OLD_MANIFEST, FakeTarget, FakeValues, probe, scene


def manifest(**secrets: str) -> Manifest:
    hashed = {name: Secret(value).keyed_hash(KEY) for name, value in secrets.items()}
    return replace(OLD_MANIFEST, secrets=hashed)


def look(then: Manifest | None, **now: str) -> Finding:
    return probe(
        CHECK, scene(release=OLD, target=FakeTarget(then), values=FakeValues(known=dict(now)))
    )


def test_the_same_secrets() -> None:
    found = look(manifest(A="one", B="two"), A="one", B="two")
    assert found.verdict is Verdict.PASS
    assert found.found == f"2 secrets are those that {OLD.id} ran with"


def test_each_difference_is_named() -> None:
    found = look(manifest(A="one", B="two", C="three"), A="one", B="TWO", D="four")
    assert found.verdict is Verdict.WARN
    assert found.found == f"since {OLD.id}: B changed, D is new, C is gone; today's are used"


def test_without_a_manifest_nothing_is_known() -> None:
    assert look(None, A="one").verdict is Verdict.UNDECIDED

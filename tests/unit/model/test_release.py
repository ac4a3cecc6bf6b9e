"""Which release a rollback or an emergency goes to."""

from __future__ import annotations

from gonogo.model.release import Manifest, Release, last_good


def made(name: str, schema: str, *, good: bool = True) -> Manifest:
    return Manifest(
        release=Release(id=name, commit="c"), run="r", by="me", at="", schema=schema, good=good
    )


KEPT = [made("r3", "b", good=False), made("r2", "b"), made("r1", "a")]


def test_an_emergency_starts_the_newest_that_was_verified() -> None:
    found = last_good(KEPT)
    assert found and found.release.id == "r2"


def test_only_one_that_ran_on_the_schema_of_the_copy_will_do() -> None:
    found = last_good(KEPT, "a")
    assert found and found.release.id == "r1"
    assert last_good(KEPT, "c") is None

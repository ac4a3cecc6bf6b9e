"""What `prune` removes, and above all what it leaves alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gonogo.actions.prune import ACTION, Settings
from gonogo.model.configuration import Configuration, Environment
from gonogo.model.evidence import Finding
from gonogo.model.release import Manifest, Release
from gonogo.model.target import Copy
from gonogo.ports import Scene


class Killed(BaseException):
    """The process dies here."""


@dataclass
class Place:
    """Target, workshop, engine and database in one, in memory; dies after so many removals."""

    releases: dict[str, Manifest] = field(default_factory=dict)
    kept: list[Copy] = field(default_factory=list)
    removals: int = 1000

    def release(self, name: str, schema: str = "a", *, good: bool = True) -> None:
        """A release that went live, and the copy that was made before it."""
        live = self.newest()
        self.copy(f"before-{name}", live.schema if live else "")
        self.releases[name] = Manifest(
            release=Release(id=name, commit="c"), run="r", by="me", at="", schema=schema, good=good
        )

    def copy(self, name: str, schema: str = "a") -> None:
        at = float(len(self.kept))
        one = Copy(name=name, at=at, size=1, sha256="", fingerprint=schema, rows={})
        self.kept.insert(0, one)

    def newest(self) -> Manifest | None:
        return next(reversed(self.releases.values()), None)

    def names(self) -> list[str]:
        return [one.name for one in self.kept]

    def _dies(self) -> None:
        self.removals -= 1
        if self.removals == 0:
            raise Killed

    async def live(self) -> Manifest | None:
        return self.newest()

    async def manifests(self) -> Sequence[Manifest]:
        return list(reversed(self.releases.values()))

    async def prepared(self) -> Sequence[str]:
        return list(self.releases)

    async def observe(self) -> Sequence[Any]:
        return []

    async def copies(self) -> Sequence[Copy]:
        return list(self.kept)

    async def remove(self, release_id: str) -> None:
        self._dies()

    async def forget(self, name: str) -> None:
        """Of the target and of the database: copies are not called like releases."""
        self._dies()
        self.releases.pop(name, None)
        self.kept = [one for one in self.kept if one.name != name]


def scene(place: Place, keep: int) -> Scene:
    nothing = cast(Any, SimpleNamespace())
    environment = Environment(name="test", keep_releases=keep)
    return Scene(
        configuration=Configuration(app="shop"),
        environment=environment,
        project="/project",
        run="run",
        by="me",
        release=None,
        previous=None,
        t_zero=0.0,
        migrator=None,
        **dict.fromkeys(("target", "workshop", "engine", "database"), cast(Any, place)),
        **dict.fromkeys(("clock", "values", "host", "lock", "proxy", "foundation"), nothing),
    )


def prune(place: Place, keep: int = 2) -> Finding:
    return asyncio.run(ACTION.act(Settings(), scene(place, keep)))


def nothing_to_do(place: Place, keep: int = 2) -> bool:
    return asyncio.run(ACTION.observe(Settings(), scene(place, keep))) is not None


def test_copies_go_with_their_releases() -> None:
    place = Place()
    for number in range(1, 6):
        place.release(f"r{number}")
    assert not nothing_to_do(place)
    found = prune(place)
    assert list(place.releases) == ["r4", "r5"]
    assert place.names() == ["before-r5", "before-r4"]
    assert found.found == "removed r1, r2, r3, before-r3, before-r2, before-r1"
    assert nothing_to_do(place)


def test_the_copy_that_a_kept_release_can_be_rolled_back_with_stays() -> None:
    """r2 moved the schema and was not good; only its copy still has the schema of r1."""
    place = Place()
    place.release("r1", "a")
    place.release("r2", "b", good=False)
    for number in (3, 4, 5):
        place.release(f"r{number}", "b", good=False)
    place.release("r6", "b")
    prune(place)
    assert list(place.releases) == ["r1", "r6"]
    assert place.names() == ["before-r6", "before-r5", "before-r2", "before-r1"]


def test_of_the_copies_with_a_schema_only_the_newest_is_needed() -> None:
    place = Place()
    place.release("r1", "a")
    for number in range(8):
        place.copy(f"failed-run{number}", "a")
    place.release("r2", "b")
    prune(place)
    assert place.names() == ["before-r2", "failed-run7", "before-r1"]


def test_what_a_rollback_put_aside_stays_for_some_releases() -> None:
    place = Place()
    place.release("r1")
    place.release("r2")
    place.copy("safety-1", "b")
    place.copy("replaced-1", "b")
    place.release("r3")
    prune(place, keep=3)
    assert {"safety-1", "replaced-1"} <= set(place.names())
    for number in (4, 5):
        place.release(f"r{number}")
    prune(place, keep=3)
    assert place.names() == ["before-r5", "before-r4", "before-r3"]


def test_the_newest_stays_whatever_its_schema() -> None:
    place = Place()
    place.release("r1")
    place.copy("safety-1", "x")
    prune(place, keep=1)
    assert place.names() == ["safety-1", "before-r1"]


def test_copies_of_the_teams_own_are_left_alone() -> None:
    place = Place()
    place.copy("monthly", "x")
    for number in range(1, 5):
        place.release(f"r{number}")
    prune(place, keep=1)
    assert place.names() == ["before-r4", "monthly"]


@pytest.mark.parametrize("removals", range(1, 7))
def test_killed_at_any_removal_the_next_attempt_does_the_rest(removals: int) -> None:
    place = Place()
    for number in range(1, 5):
        place.release(f"r{number}")
    place.removals = removals
    with pytest.raises(Killed):
        prune(place)
    place.removals = 1000
    assert not nothing_to_do(place)
    prune(place)
    assert (list(place.releases), place.names()) == (["r3", "r4"], ["before-r4", "before-r3"])


def test_without_a_database_only_releases_go() -> None:
    place = Place()
    for number in range(1, 4):
        place.release(f"r{number}")
    bare = replace(scene(place, 2), database=None)
    assert asyncio.run(ACTION.act(Settings(), bare)).found == "removed r1"

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
from gonogo.model.target import Copy, Instance
from gonogo.ports import Scene


class Killed(BaseException):
    """The process dies here."""


@dataclass
class Place:
    """Target, workshop, engine and database in one, in memory; dies after so many removals."""

    releases: dict[str, Manifest] = field(default_factory=dict)
    kept: list[Copy] = field(default_factory=list)
    running: list[Instance] = field(default_factory=list)
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

    def instance(self, release: str) -> None:
        number = len(self.running) + 1
        one = Instance(
            service="web", release=release, number=number, state="running", address=f"h:{number}"
        )
        self.running.append(one)

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

    async def observe(self) -> Sequence[Instance]:
        return list(self.running)

    async def retire(self, instance: Instance) -> None:
        self._dies()
        self.running.remove(instance)

    async def copies(self) -> Sequence[Copy]:
        return list(self.kept)

    async def remove(self, release_id: str) -> None:
        self._dies()

    async def forget(self, name: str) -> None:
        """Of the target and of the database: copies are not called like releases."""
        self._dies()
        self.releases.pop(name, None)
        self.kept = [one for one in self.kept if one.name != name]


@dataclass
class Traffic:
    """The proxy: these addresses get traffic."""

    addresses: list[str] = field(default_factory=list)

    async def observe(self) -> dict[str, list[str]]:
        return {"web": self.addresses}


def scene(place: Place, keep: int, serving: Sequence[str] = ()) -> Scene:
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
        proxy=Traffic(addresses=list(serving)),
        **dict.fromkeys(("clock", "values", "host", "lock", "flags", "foundation"), nothing),
    )


def prune(
    place: Place, keep: int = 2, *, only: tuple[str, ...] = (), serving: Sequence[str] = ()
) -> Finding:
    return asyncio.run(ACTION.act(Settings(only=only), scene(place, keep, serving)))


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


def test_copies_that_a_person_asked_for_are_left_alone_until_they_are_named() -> None:
    place = Place()
    place.copy("monthly", "x")
    place.copy("yearly", "x")
    for number in range(1, 5):
        place.release(f"r{number}")
    prune(place, keep=1)
    assert place.names() == ["before-r4", "before-r3", "yearly", "monthly"]
    assert prune(place, keep=1, only=("copy monthly",)).found == "removed monthly"
    assert place.names() == ["before-r4", "before-r3", "yearly"]


def test_no_more_goes_than_was_named_and_nothing_that_is_needed() -> None:
    place = Place()
    for number in range(1, 6):
        place.release(f"r{number}")
    prune(place, only=("release r1", "copy before-r2", "release r5", "copy before-r5"))
    assert list(place.releases) == ["r2", "r3", "r4", "r5"]
    assert place.names() == ["before-r5", "before-r4", "before-r3", "before-r1"]


def test_what_is_left_of_instances_goes_unless_it_gets_traffic() -> None:
    place = Place()
    for number in range(1, 5):
        place.release(f"r{number}")
    for release in ("r4", "r1", "r2", "gone"):
        place.instance(release)
    prune(place, serving=["h:1", "h:3"])
    assert [one.release for one in place.running] == ["r4", "r2"]
    assert list(place.releases) == ["r2", "r3", "r4"]


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

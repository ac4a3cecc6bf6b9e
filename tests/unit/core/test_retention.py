"""What may go, over every state of releases: never the live one, nor the way back from it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gonogo.core.retention import There, needless, staying
from gonogo.model.release import Manifest, Release, way_back
from gonogo.model.target import MADE_BY_RUNS, Copy, Instance, copy_before

IDS = [f"2026-01-01.{number}" for number in range(1, 9)]
SCHEMAS = st.sampled_from(["", "a", "b", "c"])


def manifest(release: str, at: int, *, good: bool, schema: str) -> Manifest:
    return Manifest(
        release=Release(id=release, commit="c"),
        run="r",
        by="aiko",
        at=f"2026-01-01T00:00:{at:02}+00:00",
        schema=schema,
        good=good,
    )


def copy(name: str, at: int, schema: str) -> Copy:
    return Copy(name=name, at=at, size=1, sha256="", fingerprint=schema, rows={})


def instance(release: str, number: int) -> Instance:
    return Instance(
        service="web", release=release, number=number, state="running", address=f"h:{number}"
    )


@st.composite
def states(draw: st.DrawFn) -> There:
    """Any state, also strange ones: nothing live, all bad, an old one live, files of unknown ones.

    The times are those of when a release last went live, in any order: a rollback makes an old
    release the newest.
    """
    manifests = [
        manifest(release, draw(st.integers(0, 20)), good=draw(st.booleans()), schema=draw(SCHEMAS))
        for release in draw(st.lists(st.sampled_from(IDS), unique=True))
    ]
    names = draw(
        st.lists(st.sampled_from([*map(copy_before, IDS), "safety-1", "failed-1", "own", "mine"]))
    )
    copies = [copy(name, at, draw(SCHEMAS)) for at, name in enumerate(dict.fromkeys(names))]
    running = [
        instance(draw(st.sampled_from(IDS)), number) for number in range(draw(st.integers(0, 4)))
    ]
    return There(
        live=draw(st.sampled_from([None, *manifests])),
        manifests=sorted(manifests, key=lambda one: one.at, reverse=True),
        prepared=draw(st.sets(st.sampled_from(IDS))),
        in_use=draw(st.sets(st.sampled_from(IDS), max_size=2)),
        instances=running,
        serving=draw(st.sets(st.sampled_from([one.address for one in running] or ["h:9"]))),
        copies=copies[::-1],
    )


KEEPS = st.integers(1, 5)


def titles(there: There) -> list[str]:
    """Whatever could be named, needed or not."""
    return [
        *(f"release {one}" for one in IDS),
        *(f"instance {one.name}" for one in there.instances),
        *(f"copy {one.name}" for one in there.copies),
    ]


def assert_safe(there: There, going: Any, keep: int) -> None:
    """The promises, said again without the code that keeps them."""
    live = there.live
    good = [one for one in there.manifests if one.good]
    if live:
        assert live.release.id not in going.releases
        older = [one for one in good if one is not live and one.at <= live.at]
        assert not {one.release.id for one in older[:1]} & set(going.releases)
    assert not {one.release.id for one in good[:keep]} & set(going.releases)
    assert not set(going.releases) & set(there.in_use)
    assert not any(one.address in there.serving for one in going.instances)
    assert not any(live and one.release == live.release.id for one in going.instances)
    left = [one for one in there.copies if one not in going.copies]
    by_runs = [one for one in there.copies if one.name.startswith(MADE_BY_RUNS)]
    assert by_runs[:keep] == [one for one in left if one in by_runs[:keep]]
    for one in there.manifests:
        if one.release.id not in going.releases:
            fitting = [each for each in by_runs if each.fingerprint == one.schema]
            assert not fitting or fitting[0] in left


@given(there=states(), keep=KEEPS)
def test_what_is_needed_stays_whatever_the_numbers_say(there: There, keep: int) -> None:
    going = needless(there, keep)
    assert_safe(there, going, keep)
    assert all(one.made_by_run for one in going.copies)


@given(there=states(), keep=KEEPS, data=st.data())
def test_naming_a_thing_makes_it_no_less_needed(
    there: There, keep: int, data: st.DataObject
) -> None:
    only = data.draw(st.sets(st.sampled_from(titles(there)), min_size=1))
    own = {f"copy {one.name}" for one in there.copies if not one.made_by_run}
    free = {*needless(there, keep).titles(), *own}
    assert set(needless(there, keep, only).titles()) == only & free


@given(there=states(), keep=KEEPS)
def test_after_it_there_is_nothing_more_to_remove(there: There, keep: int) -> None:
    going = needless(there, keep)
    left = There(
        live=there.live,
        manifests=[one for one in there.manifests if one.release.id not in going.releases],
        prepared=set(there.prepared) - set(going.releases),
        in_use=there.in_use,
        instances=[one for one in there.instances if one not in going.instances],
        serving=there.serving,
        copies=[one for one in there.copies if one not in going.copies],
    )
    assert needless(left, keep).titles() == []
    assert staying(left, keep) == staying(there, keep)
    if there.live:
        assert way_back(there.live, left.manifests) == way_back(there.live, there.manifests)


def test_one_release_is_kept_and_still_there_is_a_way_back() -> None:
    """keep_releases: 1, and what is live was not verified."""
    old = manifest("2026-01-01.1", 1, good=True, schema="a")
    bad = manifest("2026-01-01.2", 2, good=False, schema="a")
    live = manifest("2026-01-01.3", 3, good=False, schema="a")
    assert needless(There(live=live, manifests=[live, bad, old]), 1).releases == ["2026-01-01.2"]


def test_of_good_releases_two_stay_though_one_is_to_be_kept() -> None:
    three = [manifest(f"2026-01-01.{n}", n, good=True, schema="a") for n in (3, 2, 1)]
    assert needless(There(live=three[0], manifests=three), 1).releases == ["2026-01-01.1"]

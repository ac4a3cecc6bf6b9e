"""What is no longer needed on a target: the rule is one pure function.

Of the releases stay the live one, the one that a rollback would go to, the `keep_releases` newest
good ones, those a run works with, and any that gets traffic. Instances go with their releases.

Of the copies of the database that runs made stay

- the `keep_releases` newest, so the newest of all always does;
- `before-RELEASE` of every release that stays;
- the newest with the schema that such a release ran on: a rollback puts that one back.

A copy that a person asked for stays until it is named.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gonogo.model.release import Manifest, way_back
from gonogo.model.target import Copy, Instance, copy_before
from gonogo.ports import Scene


@dataclass(frozen=True, kw_only=True)
class There:
    """What lies on a target, the newest first.

    prepared are ids of releases whose files are there, in_use of those a run works with; serving
    are the addresses that get traffic.
    """

    live: Manifest | None
    manifests: Sequence[Manifest]
    prepared: Collection[str] = ()
    in_use: Collection[str] = ()
    instances: Sequence[Instance] = ()
    serving: Collection[str] = ()
    copies: Sequence[Copy] = ()


@dataclass(frozen=True, kw_only=True)
class Needless:
    """What may be removed: ids of releases, instances, copies."""

    releases: Sequence[str] = ()
    instances: Sequence[Instance] = ()
    copies: Sequence[Copy] = ()

    def names(self) -> list[str]:
        """All of it by name."""
        return [
            *self.releases,
            *(one.name for one in self.instances),
            *(one.name for one in self.copies),
        ]

    def titles(self) -> list[str]:
        """All of it by kind and name, so that no two are called the same."""
        return [
            *(f"release {one}" for one in self.releases),
            *(f"instance {one.name}" for one in self.instances),
            *(f"copy {one.name}" for one in self.copies),
        ]


async def look(scene: Scene) -> There:
    """What lies on the target of a scene now."""
    live = await scene.target.live()
    instances = await scene.engine.observe()
    traffic = await scene.proxy.observe() if instances else {}
    works_with = (scene.release, scene.previous and scene.previous.release)
    return There(
        live=live,
        manifests=await scene.target.manifests(),
        prepared=await scene.workshop.prepared(),
        in_use={release.id for release in works_with if release},
        instances=instances,
        serving={address for addresses in traffic.values() for address in addresses},
        copies=await scene.database.copies() if scene.database else (),
    )


def needless(there: There, keep: int, only: Collection[str] = ()) -> Needless:
    """What may go; with only, no more than what has one of these titles."""
    stays = staying(there, keep)
    ids = {one.release.id for one in there.manifests} | set(there.prepared)
    whole = Needless(
        releases=sorted(ids - stays),
        instances=[one for one in there.instances if one.release not in stays],
        copies=_copies(there, keep, stays, only),
    )
    if not only:
        return whole
    return Needless(
        releases=[one for one in whole.releases if f"release {one}" in only],
        instances=[one for one in whole.instances if f"instance {one.name}" in only],
        copies=[one for one in whole.copies if f"copy {one.name}" in only],
    )


def staying(there: There, keep: int) -> set[str]:
    """Ids of the releases that are needed."""
    live = there.live
    back = way_back(live, there.manifests) if live else None
    good = [one.release.id for one in there.manifests if one.good]
    return {
        *(one.release.id for one in (live, back) if one),
        *good[:keep],
        *there.in_use,
        *(one.release for one in there.instances if one.address in there.serving),
    }


def _copies(there: There, keep: int, stays: set[str], only: Collection[str]) -> list[Copy]:
    by_runs = [one for one in there.copies if one.made_by_run]
    kept = [one for one in there.manifests if one.release.id in stays]
    newest = {one.fingerprint: one.name for one in reversed(by_runs)}
    safe = {one.name for one in by_runs[:keep]}
    safe |= {copy_before(one.release.id) for one in kept}
    safe |= {newest[one.schema] for one in kept if one.schema in newest}
    named = [one for one in there.copies if not one.made_by_run and f"copy {one.name}" in only]
    return [*(one for one in by_runs if one.name not in safe), *named]

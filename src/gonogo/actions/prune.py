"""Remove releases that are no longer needed, and copies of the database that belong to none.

The live and the last good release are never removed. A copy that a run made stays

- while it is one of the `keep_releases` newest, so the newest always does;
- as `before-RELEASE`, while that release is kept;
- while it is the newest with the schema that a kept release ran on: a rollback puts that back.

The others go. Copies with a name of the team's own are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.actions._copies import MADE_BY_RUNS, copy_before
from gonogo.model.evidence import Finding, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Nothing to set: the environment's keep_releases says how many stay."""


class Prune:
    """Keeps the newest good releases; failed ones never push a good one out."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        keep = scene.environment.keep_releases
        copies = f", their copies and the {keep} newest" if scene.database else ""
        return [
            Operation(where="target", what=f"keep the live and {keep} verified releases{copies}")
        ]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        releases = await _releases(scene)
        copies = await _copies(scene, releases)
        return None if releases or copies else passed("nothing to remove")

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        releases = await _releases(scene)
        copies = await _copies(scene, releases)
        for copy in copies:
            assert scene.database is not None
            await scene.database.forget(copy)
        kept = {one.release.id for one in await scene.target.manifests()}
        for release in releases:
            await scene.workshop.remove(release)
            if release in kept:
                await scene.target.forget(release)
        return passed(f"removed {', '.join([*releases, *copies])}")


async def _releases(scene: Scene) -> list[str]:
    """Ids of the releases that go."""
    live = await scene.target.live()
    manifests = await scene.target.manifests()
    safe = {live.release.id} if live else set()
    safe |= {scene.release.id} if scene.release else set()
    safe |= {scene.previous.release.id} if scene.previous else set()
    running = {one.release for one in await scene.engine.observe()}
    good = [one.release.id for one in manifests if one.good]
    safe |= running | set(good[: scene.environment.keep_releases])
    there = {one.release.id for one in manifests} | set(await scene.workshop.prepared())
    return sorted(there - safe)


async def _copies(scene: Scene, going: Sequence[str]) -> list[str]:
    """Names of the copies that go, once these releases do."""
    if scene.database is None:
        return []
    copies = [one for one in await scene.database.copies() if one.name.startswith(MADE_BY_RUNS)]
    kept = [one for one in await scene.target.manifests() if one.release.id not in going]
    newest = {one.fingerprint: one.name for one in reversed(copies)}
    safe = {one.name for one in copies[: scene.environment.keep_releases]}
    safe |= {copy_before(one.release.id) for one in kept}
    safe |= {newest[one.schema] for one in kept if one.schema in newest}
    return [one.name for one in copies if one.name not in safe]


ACTION: Action[Settings] = Prune()

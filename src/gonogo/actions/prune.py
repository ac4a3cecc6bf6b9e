"""Remove releases that are no longer needed. The live and the last good one are never removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        return [Operation(where="target", what=f"keep the live and {keep} verified releases")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        return None if await _surplus(scene) else passed("nothing to remove")

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        surplus = await _surplus(scene)
        kept = {one.release.id for one in await scene.target.manifests()}
        for release in surplus:
            await scene.workshop.remove(release)
            if release in kept:
                await scene.target.forget(release)
        return passed(f"removed {', '.join(surplus)}")


async def _surplus(scene: Scene) -> list[str]:
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


ACTION: Action[Settings] = Prune()

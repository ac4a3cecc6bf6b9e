"""Remove what core.retention says is no longer needed: releases, instances and copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.core.retention import Needless, look, needless
from gonogo.model.evidence import Finding, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """only: no more than these, each as `release ID`, `instance NAME` or `copy NAME`.

    A copy that a person asked for goes only when it is named. The environment's keep_releases says
    how many releases stay.
    """

    only: tuple[str, ...] = ()


class Prune:
    """Keeps the newest good releases; failed ones never push a good one out."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        if settings.only:
            return [Operation(where="target", what=f"remove {one}") for one in settings.only]
        keep = scene.environment.keep_releases
        copies = f", their copies and the {keep} newest" if scene.database else ""
        return [
            Operation(where="target", what=f"keep the live and {keep} verified releases{copies}")
        ]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        going = await _going(settings, scene)
        return None if going.names() else passed("nothing to remove")

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        going = await _going(settings, scene)
        for instance in going.instances:
            await scene.engine.retire(instance)
        for copy in going.copies:
            assert scene.database is not None
            await scene.database.forget(copy.name)
        kept = {one.release.id for one in await scene.target.manifests()}
        for release in going.releases:
            await scene.workshop.remove(release)
            if release in kept:
                await scene.target.forget(release)
        return passed(f"removed {', '.join(going.names())}")


async def _going(settings: Settings, scene: Scene) -> Needless:
    return needless(await look(scene), scene.environment.keep_releases, settings.only)


ACTION: Action[Settings] = Prune()

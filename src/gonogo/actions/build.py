"""Make the release: export its commit and run the build commands in the release folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, passed
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A build has no settings: the environment's `build` says how."""


class Build:
    """Builds beside what runs; nothing live is touched."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return scene.workshop.describe(_release(scene))

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if _release(scene).id in await scene.workshop.prepared():
            return passed(f"release {_release(scene).id} is built already")
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        await scene.workshop.prepare(_release(scene), scene.say)
        return passed(f"built {_release(scene).id}")


def _release(scene: Scene) -> Release:
    if scene.release is None:
        raise PermanentError("there is no release to build")
    return scene.release


ACTION: Action[Settings] = Build()

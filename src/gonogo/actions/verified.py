"""Mark the new release as good: it was verified, and one may go back to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, passed
from gonogo.model.plan import Operation
from gonogo.model.release import Manifest
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Nothing to set."""


class Verified:
    """Only good releases count for retention and for rolling back."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        release = scene.release.id if scene.release else "-"
        return [Operation(where="target", what=f"mark release {release} as verified")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if (await _live(scene)).good:
            return passed("marked already")
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        manifest = replace(await _live(scene), good=True)
        await scene.target.keep(manifest, live=True)
        return passed(f"{manifest.release.id} is good")


async def _live(scene: Scene) -> Manifest:
    live = await scene.target.live()
    if live is None or scene.release is None or live.release.id != scene.release.id:
        raise PermanentError("the release of this run is not the live one")
    return live


ACTION: Action[Settings] = Verified()

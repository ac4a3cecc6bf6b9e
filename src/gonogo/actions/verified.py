"""Mark a release as good, or as not: only a good one is a place to go back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gonogo.model.evidence import Finding, Verdict, passed
from gonogo.model.plan import Operation
from gonogo.model.release import Manifest
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """release: new or previous. good: false for a release that was rolled back from."""

    release: str = "new"
    good: bool = True


class Verified:
    """Only good releases count for retention and for rolling back."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        release = scene.which(settings.release)
        word = "verified" if settings.good else "not good"
        return [Operation(where="target", what=f"mark {release.id if release else '-'} as {word}")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        manifest = await _manifest(settings, scene)
        if manifest is None:
            return Finding(verdict=Verdict.SKIP, found="there is no such release")
        return passed("marked already") if manifest.good == settings.good else None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        manifest = await _manifest(settings, scene)
        assert manifest is not None
        live = await scene.target.live()
        is_live = live is not None and live.release.id == manifest.release.id
        await scene.target.keep(replace(manifest, good=settings.good), live=is_live)
        return passed(f"{manifest.release.id} is {'good' if settings.good else 'not good'}")


async def _manifest(settings: Settings, scene: Scene) -> Manifest | None:
    release = scene.which(settings.release)
    kept = {one.release.id: one for one in await scene.target.manifests()}
    return kept.get(release.id) if release else None


ACTION: Action[Settings] = Verified()

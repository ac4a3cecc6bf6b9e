"""Make the release: export its commit and run the build commands in the release folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.model.errors import PermanentError, Refused
from gonogo.model.evidence import Finding, Verdict, passed
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """kept: only what is there already; nothing is built. The environment's `build` says how."""

    kept: bool = False


class Build:
    """Builds beside what runs; nothing live is touched."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        if settings.kept:
            return [Operation(where="target", what=f"look for the build of {_release(scene).id}")]
        return scene.workshop.describe(_release(scene))

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if _release(scene).id in await scene.workshop.prepared():
            return passed(f"release {_release(scene).id} is built already")
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        release = _release(scene)
        if settings.kept:
            raise Refused(
                f"the build of {release.id} is not there any more, and nothing is to be built",
                next_step=f"without --images it is built again from commit {release.commit[:7]}",
            )
        await scene.workshop.prepare(release, scene.say)
        if different := await _different(release, scene):
            return Finding(
                verdict=Verdict.WARN,
                found=f"built {release.id} again; not what it was: {', '.join(different)}",
            )
        return passed(f"built {release.id}")


async def _different(release: Release, scene: Scene) -> list[str]:
    """Parts of a release that was made before, and that came out differently this time."""
    then = [one for one in await scene.target.manifests() if one.release.id == release.id]
    if not then or not then[0].contents:
        return []
    now = await scene.workshop.contents(release.id)
    return [part for part, found in now.items() if then[0].contents.get(part) != found]


def _release(scene: Scene) -> Release:
    if scene.release is None:
        raise PermanentError("there is no release to build")
    return scene.release


ACTION: Action[Settings] = Build()

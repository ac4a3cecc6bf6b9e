"""Write on the target which release is live, with all it ran with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gonogo.model.evidence import Finding, passed
from gonogo.model.plain import plain
from gonogo.model.plan import Operation
from gonogo.model.release import Manifest
from gonogo.model.secret import Secret
from gonogo.model.target import copy_before
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """release: new or previous."""

    release: str = "new"


class Record:
    """Keeps the manifest and points `live` at it."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        release = scene.which(settings.release)
        return [Operation(where="target", what=f"live release: {release.id if release else '-'}")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        live = await scene.target.live()
        release = scene.which(settings.release)
        if (live.release.id if live else "") == (release.id if release else ""):
            return passed("recorded already")
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        release = scene.which(settings.release)
        if release is None:
            await scene.target.clear()
            return passed("no release is live")
        if settings.release == "previous" and scene.previous:
            manifest = scene.previous
        else:
            manifest = await _manifest(scene)
        await scene.workshop.publish(release.id)
        await scene.target.keep(manifest, live=True)
        return passed(f"{release.id} is live")


async def _manifest(scene: Scene) -> Manifest:
    """The new release's manifest; a release that is there again keeps that it was good."""
    assert scene.release is not None
    kept = {one.release.id: one for one in await scene.target.manifests()}
    before = kept.get(scene.release.id)
    at = datetime.fromtimestamp(scene.clock.now(), UTC)
    database = scene.database
    copies = {one.name: one.fingerprint for one in await database.copies()} if database else {}
    mine = copy_before(scene.release.id)
    given, key = scene.values.application(), await scene.target.key()
    traffic = await scene.proxy.observe()
    return Manifest(
        release=scene.release,
        run=scene.run,
        by=scene.by,
        at=at.isoformat(timespec="seconds"),
        configuration=plain(scene.configuration),
        variables={name: value for name, value in given.items() if isinstance(value, str)},
        secrets={
            name: value.keyed_hash(key)
            for name, value in given.items()
            if isinstance(value, Secret)
        },
        contents=dict(await scene.workshop.contents(scene.release.id)),
        traffic={service: list(addresses) for service, addresses in traffic.items()},
        schema_before=copies.get(mine, ""),
        schema=await database.fingerprint() if database else "",
        database_copy=mine if mine in copies else "",
        good=bool(before and before.good),
    )


ACTION: Action[Settings] = Record()

"""An emergency: what would be put back and started, what is lost by it, and who has to say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gonogo.app.backups import age, schema_now
from gonogo.app.start import person
from gonogo.model.errors import Refused
from gonogo.model.release import Manifest, last_good
from gonogo.model.target import Copy
from gonogo.wiring import Site


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person asked for. Empty texts: the newest copy and the last good release that fit."""

    backup: str = ""
    to: str = ""
    database: bool = True
    confirm: str = ""
    reason: str = ""
    by: str = ""


async def to_recover(site: Site, wish: Wish) -> tuple[str, dict[str, Any]]:
    """The release to start and the options. Refused, with all it costs, unless it is confirmed."""
    scene = site.scene()
    kept = await scene.target.manifests()
    if not kept:
        raise Refused(
            "nothing was deployed yet", next_step=f"gonogo deploy {site.environment.name}"
        )
    restores = wish.database and scene.database is not None
    copy = _copy(site, wish, await scene.database.copies()) if restores and scene.database else None
    schema = copy.fingerprint if copy else await _schema(site)
    release = _release(site, wish, kept, schema, copy).release.id
    named = bool(wish.backup) or copy is None
    if wish.confirm != site.environment.name or not named:
        raise Refused(
            _costs(release, copy) + _not_confirmed(site, wish),
            next_step=_command(site, wish, copy),
        )
    why = wish.reason or "no reason given"
    title = f"Emergency by {person(wish.by)}: {why}"
    alarm = f"{title}. All services are stopped. {_costs(release, copy)}"
    return release, {
        "restore": copy is not None,
        "copy": copy.name if copy else "",
        "reason": wish.reason,
        "alarm": alarm,
        "back": f"{title}. Release {release} is live again{_put_back(copy)}.",
    }


def _copy(site: Site, wish: Wish, copies: Sequence[Copy]) -> Copy:
    """The copy that is named, else the newest that was whole when it was read back last."""
    whole = [one for one in copies if one.verified]
    for one in whole:
        if wish.backup in ("", one.name):
            return one
    environment = site.environment.name
    if wish.backup:
        known = ", ".join(one.name for one in whole[:5]) or "none"
        raise Refused(
            f"there is no verified copy {wish.backup}; there are: {known}",
            next_step=f"gonogo backup list {environment}",
        )
    raise Refused(
        "there is no verified copy of the database to put back",
        next_step=f"gonogo emergency {environment} --no-database --confirm {environment}",
    )


async def _schema(site: Site) -> str:
    """The schema that the release has to run on; any, where that cannot be seen."""
    return await schema_now(site) if site.scene().database else ""


def _release(
    site: Site, wish: Wish, kept: Sequence[Manifest], schema: str, copy: Copy | None
) -> Manifest:
    """The release that is named, else the newest good one that ran on the schema."""
    on = f"the schema of copy {copy.name}" if copy else "the schema there is now"
    if wish.to:
        for one in kept:
            if one.release.id == wish.to and schema in ("", one.schema):
                return one
        what = f"release {wish.to} never ran on {on}"
    else:
        if found := last_good(kept, schema):
            return found
        what = f"no kept release that was verified ran on {on}"
    fitting = [one.release.id for one in kept if schema in ("", one.schema)]
    raise Refused(
        what,
        next_step=f"name one with --to: {', '.join(fitting)}"
        if fitting
        else f"gonogo backup list {site.environment.name} shows what fits which copy",
    )


def _costs(release: str, copy: Copy | None) -> str:
    if copy is None:
        return f"Release {release} is started; the database stays as it is."
    at = datetime.fromtimestamp(copy.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"Copy {copy.name} is put back and release {release} started: what was written since "
        f"{at} ({age(copy.at)}) is lost."
    )


def _put_back(copy: Copy | None) -> str:
    return f" on the database as of copy {copy.name}" if copy else ""


def _not_confirmed(site: Site, wish: Wish) -> str:
    if wish.confirm and wish.confirm != site.environment.name:
        return f" {wish.confirm!r} is not {site.environment.name}."
    return " All services are stopped first, and whoever is at work is overtaken."


def _command(site: Site, wish: Wish, copy: Copy | None) -> str:
    environment = site.environment.name
    what = f"--backup {copy.name}" if copy else "--no-database"
    to = f" --to {wish.to}" if wish.to else ""
    return f"gonogo emergency {environment} {what}{to} --confirm {environment} --reason TEXT"

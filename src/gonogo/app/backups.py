"""Copies of the database as a person has them: made, listed, read back, put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.model.duration import spoken
from gonogo.model.errors import PermanentError, Refused
from gonogo.model.release import Manifest
from gonogo.model.target import MADE_BY_RUNS, Copy, is_copy_name
from gonogo.ports import Database
from gonogo.wiring import Site, clock, with_configuration


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A copy, and the kept releases that ran on its schema, the newest first."""

    copy: Copy
    releases: Sequence[str]


async def backups(site: Site) -> list[Backup]:
    """All copies, newest first. Reads their manifests only."""
    kept = await site.scene().target.manifests()
    return [_backup(one, kept) for one in await _database(site).copies()]


async def verify(site: Site, name: str) -> Backup:
    """Read a copy back whole, as it lies there now."""
    return _backup(await _database(site).verify(name), await site.scene().target.manifests())


async def to_make(site: Site, name: str) -> dict[str, Any]:
    """The options of a backup. Refused where there is nothing to copy or the name will not do."""
    if name:
        await _refuse_name(site, name)
    live = await site.scene().target.live()
    database = _database(with_configuration(site, live) if live else site)
    if not await database.fingerprint():
        raise Refused(
            "there is no database to copy yet", next_step=f"gonogo deploy {site.environment.name}"
        )
    return {"name": name} if name else {}


async def to_put_back(site: Site, name: str, confirm: str) -> dict[str, Any]:
    """The options of a restore. Refused unless the copy is named twice; says what it costs."""
    database = _database(site)
    copies = {one.name: one for one in await database.copies()}
    copy = copies.get(name) or await database.verify(name)  # That says why it is none.
    live = await site.scene().target.live()
    if live:
        await _refuse_other_schema(site, live, copy)
    if confirm == name:
        return {"copy": name}
    wrong = f"{confirm!r} is not its name; " if confirm else ""
    raise Refused(
        f"{wrong}restoring loses what came after the copy: {name} is {age(copy.at)} old and has "
        f"{sum(copy.rows.values())} rows in {len(copy.rows)} tables; the services stand still "
        "meanwhile, and the database as it is now is kept as a copy",
        next_step=f"gonogo backup restore {name} {site.environment.name} --confirm {name}",
    )


def age(at: float) -> str:
    """How long ago that was, in words."""
    return spoken(max(0.0, clock().now() - at))


def checked(verified: float) -> str:
    """Whether and when a copy was last read back whole, in words."""
    return f"verified {age(verified)} ago" if verified else "BROKEN: not what was copied"


def _backup(copy: Copy, kept: Sequence[Manifest]) -> Backup:
    fitting = [one.release.id for one in kept if one.schema == copy.fingerprint]
    return Backup(copy=copy, releases=fitting)


def _database(site: Site) -> Database:
    database = site.scene().database
    if database is None:
        raise Refused(
            f"environment {site.environment.name} has no database",
            next_step="write `database` into gonogo.yml",
        )
    return database


async def _refuse_name(site: Site, name: str) -> None:
    if not is_copy_name(name):
        raise Refused(
            f"a copy cannot be called {name!r}",
            next_step="use letters, digits, `.`, `_` and `-`, at most 100",
        )
    if name.startswith(MADE_BY_RUNS):
        raise Refused(
            f"copies called {', '.join(f'{one}…' for one in MADE_BY_RUNS)} are gonogo's own, "
            "and go with their releases",
            next_step="choose another name",
        )
    for one in await _database(site).copies():
        if one.name == name:
            raise Refused(
                f"there is a copy {name} already, {age(one.at)} old",
                next_step="choose another name, or none: then it is called like its run",
            )


async def _refuse_other_schema(site: Site, live: Manifest, copy: Copy) -> None:
    """The live release is started again on the copy, so it must be one it can run on."""
    if copy.fingerprint in (live.schema, await schema_now(with_configuration(site, live))):
        return
    environment = site.environment.name
    fitting = _backup(copy, await site.scene().target.manifests()).releases
    raise Refused(
        f"copy {copy.name} has another schema than the live release {live.release.id} runs on",
        next_step=f"gonogo rollback {environment} --to {fitting[0]} --database restore "
        f"--confirm {copy.name}"
        if fitting
        else f"no kept release ran on it; gonogo backup list {environment} shows the others",
    )


async def schema_now(site: Site) -> str:
    """The schema there is; none of a database that cannot be read."""
    try:
        return await _database(site).fingerprint()
    except PermanentError:
        return ""

"""What a cleanup would remove, shown before anything is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gonogo.app.backups import age
from gonogo.core.retention import Needless, There, look, needless
from gonogo.model.errors import NotFound, PermanentError, Refused
from gonogo.model.release import way_back
from gonogo.model.size import megabytes
from gonogo.ports import Scene
from gonogo.wiring import Site


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing to remove: `release ID`, `instance NAME` or `copy NAME`, and what it is."""

    title: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What would be removed, and in words what is safe."""

    items: Sequence[Item]
    stays: Sequence[str]


async def everything(site: Site) -> Proposal:
    """All that nothing needs any more."""
    scene = site.scene()
    there = await look(scene)
    whole = needless(there, site.environment.keep_releases)
    return Proposal(items=await _items(whole, scene), stays=[*_safe(there), *_own(there)])


async def copies(site: Site, name: str = "") -> Proposal:
    """The copies among it; or the copy of that name alone, also one of a person's own."""
    scene = site.scene()
    there = await look(scene)
    only = [f"copy {name}"] if name else []
    going = needless(there, site.environment.keep_releases, only).copies
    if name and not going:
        raise _not_to_remove(name, there)
    left = replace(there, copies=[one for one in there.copies if one not in going])
    return Proposal(items=await _items(Needless(copies=going), scene), stays=_own(left))


def _not_to_remove(name: str, there: There) -> PermanentError:
    if name in [one.name for one in there.copies]:
        return Refused(
            f"copy {name} may be needed to go back, so it stays",
            next_step="it goes when its release does: gonogo cleanup",
        )
    return NotFound(
        f"there is no copy {name}", next_step="gonogo backup list shows which there are"
    )


async def _items(going: Needless, scene: Scene) -> list[Item]:
    sizes = [await scene.workshop.size(one) for one in going.releases]
    details = [
        *(megabytes(one) for one in sizes),
        *(" ".join(filter(None, (one.state, one.detail))) for one in going.instances),
        *(f"{megabytes(one.size)}, {age(one.at)} old" for one in going.copies),
    ]
    pairs = zip(going.titles(), details, strict=True)
    return [Item(title=title, detail=detail) for title, detail in pairs]


def _safe(there: There) -> list[str]:
    live = there.live
    back = way_back(live, there.manifests) if live else None
    said = [
        live and f"release {live.release.id}, which is live",
        back and f"release {back.release.id}, where a rollback goes",
    ]
    return [one for one in said if one]


def _own(there: There) -> list[str]:
    """Copies that are never removed unless they are named."""
    own = [one for one in there.copies if not one.made_by_run]
    if not own:
        return []
    many = f"{len(own)} copies" if len(own) > 1 else f"copy {own[0].name}"
    return [f"{many} of your own ({megabytes(sum(one.size for one in own))})"]

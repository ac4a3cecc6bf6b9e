"""Flags as a person has them: which there are, who turned them, and turning one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.actions.flag import readers
from gonogo.app.start import as_released
from gonogo.model.configuration import Flag
from gonogo.model.errors import PermanentError, Refused
from gonogo.model.flag import FlagValue
from gonogo.wiring import Site


@dataclass(frozen=True, kw_only=True)
class FlagView:
    """A flag. declared is what gonogo.yml says of it, None when it no longer does.

    configured is the value without gonogo, as far as it can be seen here; turned is what somebody
    set, None when nobody did.
    """

    name: str
    declared: Flag | None
    configured: str | None
    turned: FlagValue | None

    @property
    def value(self) -> str | None:
        """What the services get; None: nothing is known of it here."""
        if self.turned and self.turned.value is not None:
            return self.turned.value
        return self.configured

    @property
    def services(self) -> Sequence[str]:
        """Those that read it, as far as that is known without asking the engine."""
        if self.declared and self.declared.services:
            return self.declared.services
        return self.turned.services if self.turned else ()


async def flags(site: Site) -> list[FlagView]:
    """Every flag that is declared or was set, by name."""
    scene = site.scene()
    turned, live = await scene.flags.all(), await scene.target.live()
    given = as_released(site, live).values(live.release.id).application() if live else {}
    return [
        FlagView(
            name=name,
            declared=site.environment.flags.get(name),
            configured=known if isinstance(known := given.get(name), str) else None,
            turned=turned.get(name),
        )
        for name in sorted({*turned, *site.environment.flags})
    ]


async def to_turn(site: Site, name: str, value: str | None, reason: str) -> dict[str, Any]:
    """The options of turning a flag; no value: as it is configured. Refused where it cannot be."""
    scene = site.scene()
    declared = site.environment.flags
    if name not in declared and not (value is None and name in await scene.flags.all()):
        close = difflib.get_close_matches(name, declared, n=1)
        raise Refused(
            f"there is no flag {name} under `flags` in gonogo.yml",
            next_step=f"did you mean {close[0]}?" if close else f"write flags: {{{name}: {{}}}}",
        )
    live = await scene.target.live()
    if live is None:
        raise Refused(
            "nothing was deployed yet", next_step=f"gonogo deploy {site.environment.name}"
        )
    try:
        await readers(name, as_released(site, live).scene(release=live.release, previous=live))
    except PermanentError as error:
        raise Refused(error.message, next_step=error.next_step) from error
    return {"flag": name, "value": value, "reason": reason}


def off(site: Site, name: str) -> str:
    """The value that means off."""
    return site.environment.flags.get(name, Flag()).off

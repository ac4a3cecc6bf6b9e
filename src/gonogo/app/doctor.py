"""`gonogo doctor`: looks at everything that may be wrong, and changes nothing.

It takes no lock and needs no run, and it works when the engine does not: what then cannot be seen
is unknown, never ok.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gonogo.app import doctor_looks as looks
from gonogo.app.doctor_parts import about_parts
from gonogo.model.diagnosis import Diagnosis, Part, State
from gonogo.model.errors import ExitCode, GonogoError
from gonogo.ports import Scene
from gonogo.wiring import Site

log = logging.getLogger("gonogo")

LONGEST = 60.0
"""Seconds that one look may take."""
_LONGEST_SEEN = 400


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that was found, and everything that runs."""

    findings: Sequence[Diagnosis]
    parts: Sequence[Part] = ()

    @property
    def exit_code(self) -> ExitCode:
        """That of a check that failed, unless all is ok or only warned of."""
        bad = (State.PROBLEM, State.UNKNOWN)
        return ExitCode.NO_GO if any(one.state in bad for one in self.findings) else ExitCode.OK

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "findings": [one.to_json() for one in self.findings],
            "parts": [one.__dict__ for one in self.parts],
            "exit_code": int(self.exit_code),
        }


async def examine(site: Site) -> Report:
    """Look at everything; what cannot be seen says why. Nothing in it is a secret."""
    report = await _examine(site)
    return replace(report, findings=[_hidden(one, site) for one in report.findings])


def _hidden(one: Diagnosis, site: Site) -> Diagnosis:
    """Without secrets, and only then cut, so that none is halved."""
    hide = site.redactor.text
    seen = " ".join(hide(one.seen).split())
    lines = [hide(line) for line in one.lines]
    return replace(one, seen=seen[:_LONGEST_SEEN], next=hide(one.next), lines=lines)


async def _examine(site: Site) -> Report:
    try:
        scene = site.scene()
    except GonogoError as problem:
        return Report(findings=[_problem("configuration", problem, State.PROBLEM)])
    if scene.inspector is None:
        seen = "this engine brings nothing with which to look at it"
        ground: Sequence[Diagnosis] = [Diagnosis(about="engine", state=State.UNKNOWN, seen=seen)]
    else:
        ground = await scene.inspector.ground()
    works = all(one.state is not State.PROBLEM for one in ground)
    parts, found = await _parts(site, scene) if works else ((), ())
    todo = [_one(about, look, site, scene) for about, look in looks.LOOKS]
    seen_by_looks = [one for each in await asyncio.gather(*todo) for one in each]
    return Report(findings=[*ground, *found, *seen_by_looks], parts=parts)


async def _one(about: str, look: looks.Look, site: Site, scene: Scene) -> Sequence[Diagnosis]:
    try:
        async with asyncio.timeout(LONGEST):
            return await look(site, scene)
    except TimeoutError:
        seen = f"no answer after {LONGEST:g} s"
        return [Diagnosis(about=about, state=State.UNKNOWN, seen=seen)]
    except GonogoError as problem:
        return [_problem(about, problem, State.UNKNOWN)]
    except Exception as problem:
        log.exception("doctor: %s", about)
        seen = f"an error in gonogo itself: {type(problem).__name__}; the log has the details"
        return [Diagnosis(about=about, state=State.UNKNOWN, seen=seen)]


async def _parts(site: Site, scene: Scene) -> tuple[Sequence[Part], Sequence[Diagnosis]]:
    found: list[Part] = []

    async def look(site: Site, scene: Scene) -> Sequence[Diagnosis]:
        if scene.inspector is None:
            return ()
        found.extend(await scene.inspector.parts())
        return await about_parts(site, scene, scene.inspector, found)

    return found, await _one("what runs", look, site, scene)


def _problem(about: str, problem: GonogoError, state: State) -> Diagnosis:
    return Diagnosis(about=about, state=state, seen=problem.message, next=problem.next_step)

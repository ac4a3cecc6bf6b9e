"""What is wrong with what runs: containers or processes, with the last lines each wrote."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.app.logs import hide_secrets
from gonogo.model.diagnosis import Diagnosis, Part, State
from gonogo.model.size import megabytes
from gonogo.ports import Inspector, Scene
from gonogo.wiring import Site

LINES = 10
_FULL = 0.9
"""The part of its memory limit from which on something counts as nearly full."""


async def about_parts(
    site: Site, scene: Scene, inspector: Inspector, parts: Sequence[Part]
) -> Sequence[Diagnosis]:
    """One for each that is not well, and one for all the others together."""
    live = await scene.target.live()
    known = {one.name: one for one in await scene.engine.observe()}
    await hide_secrets(site, scene, list(known.values()))
    found, well = [], 0
    for part in parts:
        state, seen, next_step = _judged(part, site.environment.name)
        if state is State.OK or (part.state == "missing" and live is None):
            well += part.state == "running"
            continue
        instance = known.get(part.instance)
        log = await (scene.engine.log(instance, LINES) if instance else inspector.log(part, LINES))
        lines = [line.text for line in log.lines]
        found.append(
            Diagnosis(about=part.name, state=state, seen=seen, next=next_step, lines=lines)
        )
    if well or not found:
        more = "run" if not found else "others run"
        seen = f"{well} {more}{_use(parts)}" if parts else "nothing runs"
        found.append(Diagnosis(about="what runs", state=State.OK, seen=seen))
    return found


def _judged(part: Part, environment: str) -> tuple[State, str, str]:
    """How a part is, what was seen of it, and what to type."""
    seen = ", ".join(filter(None, (part.state, part.detail)))
    logs = f"gonogo logs {part.service} -e {environment} -n 100" if part.instance else part.look
    if part.state in ("missing", "stopped", "created"):
        return State.PROBLEM, seen, f"gonogo start {environment}"
    if part.state == "failed":
        return State.PROBLEM, seen, logs
    if part.state == "starting":
        return State.WARNING, seen, f"gonogo doctor {environment}"
    if part.restarts:
        return State.WARNING, seen, logs
    if part.memory and part.limit and part.memory > _FULL * part.limit:
        said = f"uses {megabytes(part.memory)} of the {megabytes(part.limit)} it may"
        return State.WARNING, said, f"raise the memory limit of {part.service}"
    return State.OK, seen, ""


def _use(parts: Sequence[Part]) -> str:
    cpu = sum(one.cpu or 0.0 for one in parts)
    memory = sum(one.memory or 0 for one in parts)
    return f", {cpu:.0f} % of a processor, {megabytes(memory)} of memory" if memory else ""

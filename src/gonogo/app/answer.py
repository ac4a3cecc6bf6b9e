"""A person's word to a run: sign-off, abort, confirmation. Written to the journal, nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

from gonogo.app.runs import RunView, find_run, waiting_for
from gonogo.app.start import gather, person
from gonogo.model.duration import spoken
from gonogo.model.errors import Refused
from gonogo.wiring import Site, clock


def sign_off(site: Site, run: str, step: str, *, by: str, reason: str, approved: bool) -> RunView:
    """Answer a sign-off the run waits for. Refused when it waits for none of that name."""
    view = find_run(site.journal, run)
    pending = waiting_for(site.journal.events(view.id))
    wanted = pending.step if pending and pending.body["for"] == "sign-off" else ""
    if wanted != step:
        what = f"it waits for {wanted}" if wanted else "it waits for no sign-off"
        raise Refused(
            f"run {view.id} does not wait for {step!r}; {what}", next_step=f"gonogo show {view.id}"
        )
    body = {"by": person(by), "approved": approved, "reason": reason}
    event = site.journal.append(view.id, "sign-off", body, step=step)
    if event.body != body:
        raise Refused(f"{event.body['by']} has answered {step} already")
    return view


def ask_abort(site: Site, run: str, by: str) -> RunView:
    """Ask a run to abort. Refused when it is over."""
    view = find_run(site.journal, run)
    if view.over:
        raise Refused(f"run {view.id} is over: {view.outcome}", next_step=f"gonogo show {view.id}")
    site.journal.append(view.id, "abort", {"by": person(by)})
    return view


def confirm_copy(site: Site, confirm: str) -> dict[str, Any]:
    """The options of a restoring rollback. Refused unless the copy is named; says what it costs."""

    async def look() -> tuple[list[Any], str]:
        state = await gather(site)
        scene = site.scene()
        copies = list(await scene.database.copies()) if scene.database else []
        return copies, state.live.database_copy if state.live else ""

    copies, mine = asyncio.run(look())
    if confirm and confirm in [one.name for one in copies]:
        return {"copy": confirm, "safety": f"safety-{int(clock().now())}"}
    if not copies:
        raise Refused("there is no copy of the database")
    proposed = next((one for one in copies if one.name == mine), copies[0])
    age = spoken(max(0.0, clock().now() - proposed.at))
    raise Refused(
        f"restoring loses what came after the copy: {proposed.name} is {age} old",
        next_step=f"gonogo rollback {site.environment.name} --database restore "
        f"--confirm {proposed.name}",
    )

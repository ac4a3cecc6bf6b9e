"""A person's word to a run: sign-off, abort, confirmation. Written to the journal, nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

from gonogo.app.runs import RunView, find_run, waiting_for
from gonogo.app.start import Order, back_to, gather, person
from gonogo.model.duration import spoken
from gonogo.model.errors import Refused
from gonogo.model.plan import Plan
from gonogo.model.procedure import Kind
from gonogo.model.release import Manifest
from gonogo.model.target import Copy
from gonogo.wiring import Site, clock


def sign_off(site: Site, run: str, step: str, *, by: str, reason: str, approved: bool) -> RunView:
    """Answer a sign-off the run waits for. Refused when it waits for none of that name."""
    view = find_run(site.journal, run, clock().now())
    pending = waiting_for(site.journal.events(view.id), clock().now())
    wanted = pending.step if pending and pending.body["for"] == "sign-off" else ""
    if wanted != step:
        what = f"it waits for {wanted}" if wanted else "it waits for no sign-off"
        raise Refused(
            f"run {view.id} does not wait for {step!r}; {what}", next_step=f"gonogo show {view.id}"
        )
    _refuse_without_role(site, view, step, person(by))
    body = {"by": person(by), "approved": approved, "reason": reason}
    event = site.journal.append(view.id, "sign-off", body, step=step)
    if event.body != body:
        raise Refused(f"{event.body['by']} has answered {step} already")
    return view


def _refuse_without_role(site: Site, view: RunView, step: str, by: str) -> None:
    """Where people are declared, only one with the role that the step asks for may answer it."""
    planned = site.journal.find(view.id, "planned")
    steps = Plan.from_json(planned.body["plan"]).steps() if planned else []
    roles = [one.use for one in steps if one.id == step and one.kind is Kind.SIGN_OFF]
    people = site.configuration.people
    if not (roles and people) or (by in people and roles[0] in people[by].roles):
        return
    may = [name for name, one in people.items() if roles[0] in one.roles]
    raise Refused(
        f"{step} is for {roles[0]}, and {by} is not one",
        next_step=f"--by {' or '.join(may)}" if may else f"give somebody the role {roles[0]}",
    )


def ask_abort(site: Site, run: str, by: str) -> RunView:
    """Ask a run to abort. Refused when it is over."""
    view = find_run(site.journal, run, clock().now())
    if view.over:
        raise Refused(f"run {view.id} is over: {view.outcome}", next_step=f"gonogo show {view.id}")
    site.journal.append(view.id, "abort", {"by": person(by)})
    return view


def confirm_copy(site: Site, confirm: str, to: str = "") -> dict[str, Any]:
    """The options of a restoring rollback. Refused unless the copy is named; says what it costs.

    Only a copy with the schema that the release ran on will do: the others hold one it never saw.
    """

    async def look() -> tuple[list[Copy], Manifest]:
        target = back_to(site, Order(procedure="rollback", to=to), await gather(site))
        scene = site.scene()
        copies = await scene.database.copies() if scene.database else []
        return [one for one in copies if one.fingerprint == target.schema], target

    copies, target = asyncio.run(look())
    if confirm and confirm in [one.name for one in copies]:
        return {"copy": confirm}
    if site.environment.database is None:
        raise Refused("no database is configured", next_step="gonogo rollback goes back without")
    if not copies:
        raise Refused(f"no copy has the schema that release {target.release.id} ran on")
    newest = copies[0]
    age = spoken(max(0.0, clock().now() - newest.at))
    wrong = f"{confirm} is no copy for release {target.release.id}; " if confirm else ""
    raise Refused(
        f"{wrong}restoring loses what came after the copy: {newest.name} is {age} old",
        next_step=f"gonogo rollback {site.environment.name} --to {target.release.id} "
        f"--database restore --confirm {newest.name}",
    )

"""From a command to a plan: gather what is there, then plan. Gathering reads; planning is pure."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from gonogo.config.procedures import load_procedure
from gonogo.core.plan import Circumstances, make_plan
from gonogo.hosts.git import find_commit
from gonogo.model.duration import seconds
from gonogo.model.errors import Refused
from gonogo.model.plan import Plan
from gonogo.model.release import Manifest, Release, last_good, way_back
from gonogo.wiring import PackageCatalogue, Site, clock, with_configuration

_AS_CONFIGURED_TODAY = ("check", "cleanup")
_WHILE_IT_RUNS = ("start", "stop", "backup", "restore", "flags", "maintenance")
_ABOUT_WHAT_IS_LIVE = (*_WHILE_IT_RUNS, *_AS_CONFIGURED_TODAY)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked for."""

    procedure: str
    ref: str = "HEAD"
    to: str = ""
    at: float | None = None
    by: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class State:
    """What lies on the target now."""

    live: Manifest | None
    kept: Sequence[Manifest]
    prepared: Sequence[str]


def defaults(run: str, now: float) -> dict[str, Any]:
    """What a procedure may ask of the command line, as it is unless it is given."""
    return {
        "alarm": "",
        "all": False,
        "back": "",
        "copy": "NAME",
        "flag": "NAME",
        "images": False,
        "name": run,
        "only": [],
        "reason": "",
        "restore": True,
        "safety": f"safety-{int(now)}",
        "state": "on",
        "value": None,
    }


def person(named: str = "") -> str:
    """Who is at the keyboard: --by, GONOGO_PERSON, or the login name."""
    return named or os.environ.get("GONOGO_PERSON") or getpass.getuser()


async def gather(site: Site) -> State:
    """Read the target."""
    scene = site.scene()
    return State(
        live=await scene.target.live(),
        kept=await scene.target.manifests(),
        prepared=await scene.workshop.prepared(),
    )


async def plan_run(site: Site, order: Order) -> Plan:
    """The plan for an order. Refused, with what to type instead, when it does not fit the state."""
    state = await gather(site)
    release, site = _release(site, order, state)
    now = clock().now()
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    run = f"{order.procedure}-{stamp}-{secrets.token_hex(2)}"
    scene = site.scene(
        run=run,
        by=person(order.by),
        release=release,
        previous=state.live,
        t_zero=order.at or now,
    )
    plan = make_plan(
        load_procedure(order.procedure, site.configuration.procedures),
        scene,
        PackageCatalogue(),
        Circumstances(
            run=run,
            by=person(order.by),
            machine=socket.gethostname(),
            options={**defaults(run, now), **order.options},
            remedy=load_procedure("flags", site.configuration.procedures),
        ),
    )
    return replace(plan, variables=dict(site.recorded))


def _release(site: Site, order: Order, state: State) -> tuple[Release | None, Site]:
    """What the run is about, and the site as it is to be configured for it."""
    if not site.environment.services:
        raise Refused(
            f"environment {site.environment.name} has no services, so there is nothing to run",
            next_step="complete `services` in gonogo.yml, then: gonogo plan deploy",
        )
    if order.procedure in _ABOUT_WHAT_IS_LIVE:
        if order.procedure == "start" and state.live is None:
            raise Refused("nothing was deployed yet", next_step=_type("deploy", site))
        live = state.live
        if order.procedure in _AS_CONFIGURED_TODAY:
            return (live.release if live else None), site
        return (live.release, as_released(site, live)) if live else (None, site)
    if order.procedure == "emergency":
        target = _last_good(site, order, state)
        return target.release, as_released(site, target)
    if order.procedure.startswith("rollback"):
        target = back_to(site, order, state)
        return target.release, with_configuration(site, target)
    if order.procedure == "deploy" and state.live:
        raise Refused(
            f"release {state.live.release.label} is live already; deploy is for the first time",
            next_step=_type("update", site),
        )
    database = site.environment.database
    if order.procedure == "migrate" and not (database and database.migrations):
        raise Refused("no migrations are configured", next_step=_type("update", site))
    if order.procedure in ("update", "migrate") and state.live is None:
        raise Refused("nothing was deployed yet", next_step=_type("deploy", site))
    return _new_release(site, order, state), site


def _last_good(site: Site, order: Order, state: State) -> Manifest:
    """What an emergency starts: the release that is named, else the newest good one."""
    named = [one for one in state.kept if one.release.id == order.to]
    found = named[0] if named else last_good(state.kept)
    if found is None:
        raise Refused("no release was verified yet", next_step=_type("deploy", site))
    return found


def as_released(site: Site, live: Manifest) -> Site:
    """The site as it was configured for a release; what is no part of one is as it is today."""
    then, now = with_configuration(site, live), site.environment
    environment = replace(then.environment, flags=now.flags, maintenance_page=now.maintenance_page)
    environments = {**then.configuration.environments, environment.name: environment}
    configuration = replace(
        then.configuration, environments=environments, channels=site.configuration.channels
    )
    return replace(then, configuration=configuration, environment=environment)


def _new_release(site: Site, order: Order, state: State) -> Release:
    commit = find_commit(site.project, order.ref)
    dirty = bool(commit.changed) and order.ref == "HEAD"
    if dirty and not site.environment.development:
        raise Refused(
            f"uncommitted changes: {', '.join(commit.changed[:3])}"
            f"{' …' if len(commit.changed) > 3 else ''}; a release is a commit",
            next_step="git commit, .gitignore what is no source, or --ref COMMIT",
        )
    day = datetime.fromtimestamp(clock().now(), UTC).strftime("%Y-%m-%d")
    taken = {*state.prepared, *(one.release.id for one in state.kept)}
    number = 1 + max(
        (int(id.rpartition(".")[2]) for id in taken if id.startswith(f"{day}.")), default=0
    )
    return Release(id=f"{day}.{number}", commit=commit.sha, subject=commit.subject, dirty=dirty)


def back_to(site: Site, order: Order, state: State) -> Manifest:
    """The manifest to roll back to: the one named, else the newest good one before the live one."""
    if state.live is None:
        raise Refused("nothing was deployed yet", next_step=_type("deploy", site))
    others = [one for one in state.kept if one.release.id != state.live.release.id]
    if order.to:
        named = [one for one in others if one.release.id == order.to]
        if not named:
            ids = ", ".join(one.release.id for one in others) or "none is kept"
            raise Refused(f"there is no earlier release {order.to!r}", next_step=ids)
        return named[0]
    back = way_back(state.live, state.kept)
    if back is None:
        raise Refused(
            "no earlier release was verified, so there is no good one to go back to",
            next_step="name one with --to: "
            + (", ".join(one.release.id for one in others) or "none is kept"),
        )
    return back


def _type(command: str, site: Site) -> str:
    return f"gonogo {command} {site.environment.name}"


def t_zero(text: str) -> float | None:
    """T-0 from `2026-12-01T22:00` (local time unless it says) or `+30m`. Refused if neither."""
    if not text:
        return None
    try:
        if text.startswith("+"):
            return clock().now() + seconds(text[1:])
        at = datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise Refused(
            f"not a time: {text!r}", next_step="write 2026-12-01T22:00 or +30m"
        ) from error
    if at < clock().now():
        raise Refused(f"{text} is in the past", next_step="leave --at out to start now")
    return at

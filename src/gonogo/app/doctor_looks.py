"""The looks of `gonogo doctor`, one function each; most ask a check that is there anyway."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from gonogo.app.backups import age, checked
from gonogo.app.drive import owner
from gonogo.app.runs import unfinished
from gonogo.model.diagnosis import Diagnosis, State
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.procedure import Hold
from gonogo.model.reference import plain
from gonogo.model.size import megabytes
from gonogo.model.target import Holder
from gonogo.ports import Scene
from gonogo.targets.files import worker_alive
from gonogo.wiring import PackageCatalogue, Site, clock

Look = Callable[[Site, Scene], Awaitable[Sequence[Diagnosis]]]

DAY = 24 * 3600.0
_MIGRATIONS_SHOWN = 5
_STATES = {
    Verdict.PASS: State.OK,
    Verdict.WARN: State.WARNING,
    Verdict.FAIL: State.PROBLEM,
    Verdict.ERROR: State.UNKNOWN,
    Verdict.UNDECIDED: State.UNKNOWN,
}


async def disk(site: Site, scene: Scene) -> Sequence[Diagnosis]:
    """Free space of the project, of where releases lie and, where it is here, of the engine."""
    found = await _ask("disk", {}, scene, "")
    if any(one.state is State.UNKNOWN for one in found):
        own = await _ask("disk", {"path": scene.project}, scene, "make space")
        return [*found, *(replace(one, about="disk of the project") for one in own)]
    return found


async def variables(site: Site, scene: Scene) -> Sequence[Diagnosis]:
    """What is declared or referred to has a value of its type."""
    if not (site.environment.variables or site.environment.env_files or scene.values.unset()):
        return ()
    return await _ask("variables", {}, scene, f"gonogo check {site.environment.name}")


async def release(site: Site, scene: Scene) -> Sequence[Diagnosis]:
    """What is live, and whether it was verified."""
    live = await scene.target.live()
    if live is None:
        plan = f"gonogo plan deploy {site.environment.name}"
        return [_ok("release", "nothing was deployed yet", plan)]
    seen = f"{live.release.label} is live"
    if live.good:
        return [_ok("release", seen)]
    return [_warning("release", f"{seen}, and was not verified", f"gonogo show {live.run}")]


async def services(site: Site, scene: Scene) -> Sequence[Diagnosis]:
    """Whether all of the live release runs."""
    if await scene.target.live() is None:
        return ()
    start = f"gonogo start {site.environment.name}"
    return await _ask("process", {"release": "live"}, scene, start)


async def proxy(site: Site, scene: Scene) -> Sequence[Diagnosis]:
    """Whether the traffic goes to the live release, and somebody answers there."""
    live = await scene.target.live()
    if live is None:
        return ()
    routes, instances = await scene.proxy.observe(), await scene.engine.observe()
    start = f"gonogo start {site.environment.name}"
    found: list[Diagnosis] = []
    for name, service in site.environment.services.items():
        if not service.port:
            continue
        wanted = sorted(
            one.address
            for one in instances
            if (one.service, one.release, one.state) == (name, live.release.id, "running")
        )
        now = sorted(routes.get(name, ()))
        about = f"traffic of {name}"
        if now != wanted or not now:
            seen = f"goes to {', '.join(now) or 'nobody'}, and of the live release there is "
            found.append(_problem(about, f"{seen}{', '.join(wanted) or 'nothing'}", start))
        elif not await scene.proxy.settled(name):
            found.append(_problem(about, "what is written is not what is in force", start))
        else:
            found += await _answers(about, name, scene, site)
    return found


async def _answers(about: str, name: str, scene: Scene, site: Site) -> Sequence[Diagnosis]:
    url, service = await scene.proxy.url(name), site.environment.services[name]
    if not url:
        return [_unknown(about, "this machine does not reach the proxy", "")]
    path = service.health or service.version or "/"
    settings = {"url": f"{url}{path}", "expect": ["status < 500"], "timeout": "5s"}
    logs = f"gonogo logs {name} -e {site.environment.name} --level error"
    found = await _ask("http", settings, scene, logs)
    return [
        replace(one, about=about, seen=f"{path} through the proxy: {one.seen}") for one in found
    ]


async def database(site: Site, scene: Scene) -> Sequence[Diagnosis]:
    """Whether it answers and has connections left, and has the schema the live release left."""
    live = await scene.target.live()
    if scene.database is None or live is None:
        return ()
    found: list[Diagnosis] = []
    if site.environment.database and site.environment.database.postgres:
        who = "SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2"
        found += await _ask("postgres", {}, scene, f"gonogo start; connections: {who}")
    if any(one.state is State.PROBLEM for one in found):
        return found
    schema = await scene.database.fingerprint()
    if not schema:
        return [*found, _ok("schema", "there is no database yet")]
    if not live.schema:
        return [*found, _ok("schema", f"readable, {schema[:8]}")]
    if schema == live.schema:
        return [*found, _ok("schema", f"{schema[:8]}, as release {live.release.id} left it")]
    seen = f"{schema[:8]}, not {live.schema[:8]} that release {live.release.id} left"
    next_step = f"gonogo backup list {site.environment.name} shows the schemas of the copies"
    return [*found, _warning("schema", seen, next_step)]


async def redis(site: Site, scene: Scene) -> Sequence[Diagnosis]:
    """Every Redis that a variable of the application names."""
    found: list[Diagnosis] = []
    if await scene.target.live() is None:
        return found
    for url in _redis_urls(site, scene):
        settings = {"url": url, "role": "any"}
        found += await _ask("redis", settings, scene, f"gonogo start {site.environment.name}")
    return found


def _redis_urls(site: Site, scene: Scene) -> Iterator[str]:
    """The references to them, each server once."""
    seen: set[str] = set()
    own = site.environment.environment.values()
    named = {text: text for text in own} | {
        f"${{{name}}}": plain(value) for name, value in scene.values.variables().items()
    }
    for reference, address in named.items():
        if address.startswith(("redis://", "rediss://")) and address not in seen:
            seen.add(address)
            yield reference


async def migrations(site: Site, scene: Scene) -> Sequence[Diagnosis]:
    """What is pending for the live release, and what was migrated last.

    Not while a run may be migrating: asking runs a command in the release, as migrating does.
    """
    settings = site.environment.database and site.environment.database.migrations
    live, holder = await scene.target.live(), await scene.lock.holder()
    if not settings or live is None:
        return ()
    history = _migrated(site)
    if holder and holder.mode is Hold.HOLD and worker_alive(holder.worker) is not False:
        seen = f"not looked at: run {holder.run} is at work and may be migrating"
        next_step = f"gonogo show {holder.run} --follow"
        return [_unknown("migrations", seen, next_step, history)]
    if settings.pending is None:
        seen = "whether any is pending cannot be found out"
        next_step = "set database.migrations.pending in gonogo.yml"
        return [_warning("migrations", seen, next_step, history)]
    next_step = f"gonogo migrate {site.environment.name}"
    found = await _ask("migrations", {"release": "live"}, scene, next_step)
    return [replace(one, lines=history) for one in found]


def _migrated(site: Site) -> list[str]:
    """The last migrations that this machine's journal tells of, the newest first."""
    done = [one for one in site.journal.of_kind("result") if one.step == "migrate"]
    return [
        f"{_moment(one.at)} {one.run}: {one.body['verdict']}, {one.body['found']}"
        for one in reversed(done[-_MIGRATIONS_SHOWN:])
    ]


async def lock(site: Site, scene: Scene) -> Sequence[Diagnosis]:
    """Whether whoever holds the environment lives, and runs that nobody works on."""
    holder = await scene.lock.holder()
    found = [_held(holder)] if holder else [_ok("lock", "nobody holds the environment")]
    for run in [] if owner(site) else unfinished(site.journal, clock().now()):
        if not run.waiting and (holder is None or holder.run != run.id):
            seen = f"run {run.id} is not over, and nobody works on it"
            found.append(_warning("runs", seen, f"gonogo resume {run.id}"))
        elif run.waiting:
            seen = f"run {run.id} waits for {run.waiting}"
            found.append(_ok("runs", seen, f"gonogo show {run.id}"))
    return found


def _held(holder: Holder) -> Diagnosis:
    alive = worker_alive(holder.worker)
    who = f"run {holder.run} of {holder.person} on {holder.machine}"
    if alive:
        return _ok("lock", f"{who} is at work", f"gonogo show {holder.run} --follow")
    next_step = f"gonogo resume {holder.run}, or gonogo abort {holder.run}"
    if alive is None:
        seen = f"{who}: whether it lives cannot be seen from here; seen {age(holder.beat)} ago"
        return _unknown("lock", seen, f"gonogo status, on {holder.machine}")
    if holder.mode is Hold.RESERVE:
        return _warning("lock", f"{who} has reserved the environment and has ended", next_step)
    return _problem("lock", f"{who} died while it was changing the environment", next_step)


async def backup(site: Site, scene: Scene) -> Sequence[Diagnosis]:
    """The age of the newest copy, and whether it was whole when it was read last."""
    if scene.database is None:
        return ()
    copies = await scene.database.copies()
    make = f"gonogo backup create {site.environment.name}"
    if not copies:
        live = await scene.target.live()
        return [_warning("backup", "there is no copy of the database", make)] if live else ()
    newest = copies[0]
    seen = f"{newest.name}, {megabytes(newest.size)}, {age(newest.at)} old"
    if not newest.verified:
        return [_problem("backup", f"{seen}, {checked(newest.verified)}", make)]
    if clock().now() - newest.at > DAY and not site.environment.development:
        return [_warning("backup", f"the newest copy is older than a day: {seen}", make)]
    return [_ok("backup", f"{seen}, {checked(newest.verified)}")]


LOOKS: tuple[tuple[str, Look], ...] = (
    ("release", release),
    ("services", services),
    ("traffic", proxy),
    ("database", database),
    ("redis", redis),
    ("migrations", migrations),
    ("disk", disk),
    ("variables", variables),
    ("backup", backup),
    ("lock", lock),
)
"""What each is about, which is what is said when it fails."""


async def _ask(
    name: str, settings: dict[str, Any], scene: Scene, next_step: str
) -> Sequence[Diagnosis]:
    """What a check finds; nothing when it has nothing to look at."""
    catalogue = PackageCatalogue()
    check = catalogue.check(name)
    finding: Finding = await check.probe(catalogue.parse(check.settings, settings, "doctor"), scene)
    if finding.verdict is Verdict.SKIP:
        return ()
    state = _STATES[finding.verdict]
    return [
        Diagnosis(
            about=name if name != "process" else "services",
            state=state,
            seen=finding.found,
            next="" if state is State.OK else finding.facts.get("next", next_step),
        )
    ]


def _ok(about: str, seen: str, next_step: str = "") -> Diagnosis:
    return Diagnosis(about=about, state=State.OK, seen=seen, next=next_step)


def _warning(about: str, seen: str, next_step: str, lines: Sequence[str] = ()) -> Diagnosis:
    return Diagnosis(about=about, state=State.WARNING, seen=seen, next=next_step, lines=lines)


def _problem(about: str, seen: str, next_step: str) -> Diagnosis:
    return Diagnosis(about=about, state=State.PROBLEM, seen=seen, next=next_step)


def _unknown(about: str, seen: str, next_step: str, lines: Sequence[str] = ()) -> Diagnosis:
    return Diagnosis(about=about, state=State.UNKNOWN, seen=seen, next=next_step, lines=lines)


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))

"""Whether the services run: enough instances, of the right release, none of another, no restarts.

Serves V1 beside `http`, and is all there is to see of a worker, which answers no requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gonogo.checks._judge import error, undecided
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.model.target import Instance
from gonogo.ports import Check, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The services (all when none is named) and the release that must run.

    `new` is the release of this run, or the live one when the run has none.
    """

    services: tuple[str, ...] = ()
    release: Literal["new", "previous", "live"] = "new"


class Process:
    """Compares what the engine sees with what the configuration wants."""

    settings = Settings
    stage = "after"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        names = settings.services or tuple(scene.environment.services)
        return [Operation(where="engine", what=f"instances of {name}") for name in names]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        declared = scene.environment.services
        names = settings.services or tuple(declared)
        unknown = [name for name in names if name not in declared]
        if unknown:
            return error(f"there is no service {', '.join(unknown)}")
        if not names:
            return undecided("the environment has no services, so there is nothing to judge")
        release = await wanted_release(settings.release, scene)
        if release is None:
            return undecided("there is no release that could run")
        there = [one for one in await scene.engine.observe() if one.service in names]
        wanted = {name: declared[name].instances for name in names}
        return _judged(wanted, release.id, there)


async def wanted_release(name: str, scene: Scene) -> Release | None:
    """The release a setting names; the live one when the run itself has none."""
    release = None if name == "live" else scene.which(name)
    if release is None and name != "previous":
        live = await scene.target.live()
        release = live.release if live else None
    return release


def _judged(wanted: dict[str, int], release: str, there: Sequence[Instance]) -> Finding:
    short = []
    for service, count in wanted.items():
        own = [one for one in there if one.service == service and one.release == release]
        running = sum(one.state == "running" for one in own)
        if running < count:
            rest = ", ".join(_shown(one) for one in own if one.state != "running") or "none there"
            short.append(f"{service}: {running} of {count} running ({rest})")
    others = [_shown(one) for one in there if one.release != release and one.state != "stopped"]
    again = [_shown(one) for one in there if one.release == release and one.restarts]
    verdict, found = Verdict.PASS, f"{sum(wanted.values())} instances running"
    if short:
        verdict, found = Verdict.FAIL, "; ".join(short)
    elif others:
        verdict, found = Verdict.WARN, f"another release is still there: {', '.join(others)}"
    elif again:
        verdict, found = Verdict.WARN, f"ended and started again by itself: {', '.join(again)}"
    return Finding(
        verdict=verdict,
        found=found,
        expected=", ".join(f"{count} {service}" for service, count in wanted.items())
        + f" of release {release}",
        excerpt="\n".join(_shown(one) for one in there)[:2000],
        facts={
            "instances": [
                {"name": one.name, "state": one.state, "restarts": one.restarts} for one in there
            ]
        },
    )


def _shown(instance: Instance) -> str:
    detail = f" ({instance.detail})" if instance.detail else ""
    return f"{instance.name} {instance.state}{detail}"


CHECK: Check[Settings] = Process()

"""No migration is pending.

Serves P20 before a release that does not migrate, and V3 after one that did. What cannot be found
out is undecided: it is never taken for "none".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gonogo.checks._judge import undecided
from gonogo.checks.process import wanted_release
from gonogo.model.evidence import Finding, Verdict, failed, passed
from gonogo.model.plan import Operation
from gonogo.ports import Check, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The release whose migrations are meant; `new` is the live one when the run has none."""

    release: Literal["new", "previous", "live"] = "new"


class Migrations:
    """Asks the migrator."""

    settings = Settings
    stage = "after"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return [Operation(where="database", what="list the migrations that are pending")]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        if scene.migrator is None:
            return Finding(verdict=Verdict.SKIP, found="no migrations are configured")
        release = await wanted_release(settings.release, scene)
        if release is None:
            return undecided("there is no release whose migrations could be listed")
        names = await scene.migrator.pending(release, scene.say)
        if names is None:
            return undecided(
                "whether migrations are pending cannot be found out",
                expected="set database.migrations.pending in gonogo.yml",
            )
        if names:
            return failed(
                f"{len(names)} pending: {', '.join(names)}",
                expected="none pending",
                excerpt="\n".join(names)[:2000],
                facts={
                    "pending": list(names),
                    "next": f"gonogo plan migrate {scene.environment.name}",
                },
            )
        return passed("none pending", facts={"pending": []})


CHECK: Check[Settings] = Migrations()

"""Which secrets changed since a release was live: going back to it uses today's.

Serves C10. A manifest keeps a keyed hash of each secret and never the secret itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.checks._judge import undecided
from gonogo.model.evidence import Finding, Verdict, passed
from gonogo.model.plan import Operation
from gonogo.model.secret import Secret
from gonogo.ports import Check, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Nothing to set."""


class ChangedSecrets:
    """Compares today's secrets with the hashes in the manifest of the release."""

    settings = Settings
    stage = "before"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return [Operation(where="target", what="compare today's secrets with the manifest's")]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        kept = {one.release.id: one for one in await scene.target.manifests()}
        manifest = kept.get(scene.release.id) if scene.release else None
        if manifest is None:
            return undecided("no manifest says which secrets it had")
        key = await scene.target.key()
        now = {
            name: value.keyed_hash(key)
            for name, value in scene.values.application().items()
            if isinstance(value, Secret)
        }
        changed = _differences(manifest.secrets, now)
        if not changed:
            return passed(f"{len(now)} secrets are those that {manifest.release.id} ran with")
        return Finding(
            verdict=Verdict.WARN,
            found=f"since {manifest.release.id}: {', '.join(changed)}; today's are used",
            expected="the secrets the release ran with",
        )


def _differences(then: dict[str, str], now: dict[str, str]) -> list[str]:
    """Each secret that is another one, new or gone, by name."""
    words = [f"{name} changed" for name in sorted(then.keys() & now) if then[name] != now[name]]
    words += [f"{name} is new" for name in sorted(now.keys() - then)]
    return words + [f"{name} is gone" for name in sorted(then.keys() - now)]


CHECK: Check[Settings] = ChangedSecrets()

"""Numbers for a watch from the proxy: what users really got."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.model.plan import Operation
from gonogo.model.target import Counters
from gonogo.ports import Scene, Source


class ProxySource:
    """Sums what the proxy counted for the release's services (ports.Source)."""

    def describe(self, scene: Scene) -> Sequence[Operation]:
        """Which services are looked at."""
        return [
            Operation(where="proxy", what=f"read the counters of {service}")
            for service in _services(scene)
        ]

    async def read(self, scene: Scene) -> Counters | None:
        """Totals since the release got traffic; None when the proxy tells nothing."""
        if scene.release is None:
            return None
        release = scene.release.id
        asked = [await scene.proxy.counters(service, release) for service in _services(scene)]
        told = [counters for counters in asked if counters is not None]
        return _sum(told) if told else None


def _services(scene: Scene) -> list[str]:
    return [name for name, service in scene.environment.services.items() if service.port]


def _sum(parts: Sequence[Counters]) -> Counters:
    bounds = sorted({bound for part in parts for bound in part.buckets})
    return Counters(
        requests=sum(part.requests for part in parts),
        server_errors=sum(part.server_errors for part in parts),
        buckets={bound: sum(part.buckets.get(bound, 0.0) for part in parts) for bound in bounds},
    )


SOURCE: Source = ProxySource()

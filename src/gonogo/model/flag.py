"""A flag: a variable of the application that people turn while a release runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FlagValue:
    """What a flag was set to; None: as it is configured again. It lies on the target.

    services are those that read it. by, at (seconds since the epoch), reason and run say who, when,
    why. before is what was there before that run.
    """

    value: str | None
    services: tuple[str, ...]
    by: str
    at: float
    reason: str = ""
    run: str = ""
    before: FlagValue | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> FlagValue:
        """The inverse of to_json."""
        before = data["before"]
        return FlagValue(
            **{
                **data,
                "services": tuple(data["services"]),
                "before": FlagValue.from_json(before) if before else None,
            }
        )


@dataclass(frozen=True, kw_only=True)
class Readers:
    """Which services read a variable when they start, and into whose build it goes."""

    services: Sequence[str] = ()
    built: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What flags make of a release's instances: variables on top of its own.

    id tells instances of one release apart that were started with other flags; empty when no flag
    concerns them.
    """

    id: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


AS_RELEASED = Variant()
"""No flag is set."""


def variant(service: str, flags: Mapping[str, FlagValue]) -> Variant:
    """What the flags that are set make of a service. Only those it reads tell instances apart."""
    values = {name: one.value for name, one in flags.items() if one.value is not None}
    read = sorted((name, one) for name, one in values.items() if service in flags[name].services)
    digest = hashlib.sha256(json.dumps(read).encode()).hexdigest()
    return Variant(id=digest[:6] if read else "", variables=values)

"""Procedures: the YAML that ships with the program, with what a team put before or after a step.

A step in a file is one of `check:`, `do:`, `sign-off:`, `watch:` and `notify:`, named by its value;
its id is that name unless `id` says otherwise. A team replaces a whole procedure, or inserts steps
before or after a step id, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import yaml

from gonogo.model.duration import offset, seconds
from gonogo.model.errors import BadConfiguration, NotFound
from gonogo.model.procedure import Hold, Kind, Phase, Procedure, Step, Undo

_KINDS = {str(kind): kind for kind in Kind}


def shipped() -> list[str]:
    """Names of the procedures in the package."""
    folder = files("gonogo.procedures")
    return sorted(
        one.name.removesuffix(".yml") for one in folder.iterdir() if one.name.endswith(".yml")
    )


def load_procedure(name: str, overrides: Mapping[str, Any]) -> Procedure:
    """A procedure by name. BadConfiguration for an insertion at a step that does not exist."""
    override = overrides.get(name, {})
    if "replace" in override:
        return build({"procedure": name, **override["replace"]})
    file = files("gonogo.procedures") / f"{name}.yml"
    if not file.is_file():
        raise NotFound(f"no procedure {name!r}", next_step=f"one of: {', '.join(shipped())}")
    data = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
    return build(_insert(name, data, override))


def build(data: Mapping[str, Any]) -> Procedure:
    """A procedure from plain values. ValueError for a bad offset or duration."""
    return Procedure(
        name=data["procedure"],
        title=data.get("title", data["procedure"]),
        phases=tuple(_phase(phase) for phase in data["phases"]),
        preempt=data.get("preempt", False),
    )


def _phase(data: Mapping[str, Any]) -> Phase:
    return Phase(
        id=data["id"],
        title=data.get("title", ""),
        at=offset(data["at"]) if "at" in data else None,
        owner=data.get("owner", ""),
        gate=data.get("gate", "all-critical-pass"),
        hold=Hold(data.get("hold", "hold")),
        parallel=data.get("parallel", 1),
        steps=tuple(step(one) for one in data["steps"]),
    )


def step(data: Mapping[str, Any]) -> Step:
    """One step from plain values."""
    kind = next(kind for name, kind in _KINDS.items() if name in data)
    use = data[str(kind)]
    undo = data.get("undo")
    if isinstance(undo, str):
        undo = {"do": undo}
    return Step(
        id=data.get("id", use),
        kind=kind,
        use=use.replace("-", "_") if kind in (Kind.DO, Kind.CHECK) else use,
        title=data.get("title", ""),
        settings=dict(data.get("with", {})),
        when=data.get("when", ""),
        needs=tuple(data.get("needs", ())),
        timeout=_timeout(kind, data),
        retries=data.get("retries", 0),
        critical=data.get("severity", "critical") == "critical",
        undo=Undo(use=undo["do"].replace("-", "_"), settings=undo.get("with", {}))
        if undo
        else None,
    )


def _timeout(kind: Kind, data: Mapping[str, Any]) -> float:
    """Seconds; 0, no limit, for a sign-off that does not say."""
    if "timeout" in data:
        return seconds(data["timeout"])
    return 0.0 if kind is Kind.SIGN_OFF else 300.0


def _insert(name: str, data: dict[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {(side, at) for side in ("before", "after") for at in override.get(side, {})}
    for phase in data["phases"]:
        steps: list[Mapping[str, Any]] = []
        for one in phase["steps"]:
            at = _id(one)
            before = _taken("before", at, override, wanted)
            after = _taken("after", at, override, wanted)
            steps += _in_order([*before, one, *after])
        phase["steps"] = steps
    if wanted:
        missing = ", ".join(sorted(at for _, at in wanted))
        raise BadConfiguration([f"procedures.{name}: there is no step {missing} to insert at"])
    return data


def _id(one: Mapping[str, Any]) -> str:
    name: str = one.get("id") or next(one[kind] for kind in _KINDS if kind in one)
    return name


def _in_order(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each needs all before it: a phase that runs steps side by side keeps their order."""
    return [
        {**step, "needs": [*step.get("needs", []), *map(_id, steps[:number])]}
        for number, step in enumerate(steps)
    ]


def _taken(
    side: str, at: str, override: Mapping[str, Any], wanted: set[tuple[str, str]]
) -> Sequence[Mapping[str, Any]]:
    if (side, at) not in wanted:
        return []
    wanted.discard((side, at))
    steps: Sequence[Mapping[str, Any]] = override[side][at]
    return steps

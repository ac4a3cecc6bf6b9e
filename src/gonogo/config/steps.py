"""The shape of `procedures`: how a team replaces a procedure, or puts steps before and after one.

The values stay plain, as they were written: whoever reads the procedures that ship with the
program reads these, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gonogo.config.document import Node, clip, plain
from gonogo.config.normalise import DURATION, NameOf, Plugins
from gonogo.config.record import Keys
from gonogo.config.report import BAD, Report, misfit
from gonogo.config.shape import (
    Anything,
    Choice,
    Either,
    Flag,
    Json,
    ListOf,
    MapOf,
    Number,
    Shape,
    Text,
)
from gonogo.config.shapes import Shapes
from gonogo.model.duration import offset
from gonogo.model.procedure import Hold, Kind

ID = Text(r"[A-Za-z][A-Za-z0-9._:-]{0,79}", "an id of letters, digits, `.`, `_`, `:` and -")
KINDS = tuple(str(kind) for kind in Kind)


def condition(text: str) -> None:
    """Raise ValueError unless it is a condition."""
    from gonogo.model.condition import parse

    parse(text)


class StepShape:
    """One step: exactly one of check, do, sign-off, watch and notify, beside the common keys."""

    def __init__(self, plugins: Plugins, shapes: Shapes) -> None:
        self.shapes = shapes
        self.settings = {"check": plugins.get("checks"), "do": plugins.get("actions")}
        undo = Keys(lambda: {"do": self.name("do"), "with": Anything()}, required=["do"])
        self.keys = Keys(
            lambda: {
                "id": ID,
                **{kind: self.name(kind) for kind in KINDS},
                "title": Text(),
                "with": MapOf(Anything()),
                "when": Text(judge=condition),
                "needs": ListOf(ID),
                "timeout": DURATION,
                "retries": Number(0, 100),
                "severity": Choice(["critical", "advisory"]),
                "undo": Either([self.name("do"), undo]),
            }
        )

    def name(self, kind: str) -> Shape:
        """The shape of what a step uses."""
        known: Mapping[str, Any] | None = self.settings.get(kind)
        if kind == "check" and known is not None:
            known = dict.fromkeys([*known, "before", "after"])
        return NameOf(known, {"check": "check", "do": "action"}.get(kind, kind), dashes=True)

    def read(self, node: Node, name: str, report: Report) -> Any:
        values = self.keys.read(node, "step", report)
        if values is BAD:
            return BAD
        given = node.value or {}
        kinds = [key for key in given if key in KINDS]
        if not kinds and not any(key not in self.keys.shapes for key in given):
            return report.add(node.place, f"a step needs one of the keys {', '.join(KINDS)}")
        if len(kinds) > 1:
            said = f"`{kinds[0]}` and `{kinds[1]}` in one step; a step is one of them"
            return report.add(node.keys[kinds[1]], said)
        if kinds and "with" in values:
            self.check_settings(kinds[0], given[kinds[0]].value, given["with"], report)
        return values

    def check_settings(self, kind: str, use: Any, node: Node, report: Report) -> None:
        """What is written must fit; the planner may add more, such as the service."""
        known = self.settings.get(kind)
        use = use.replace("-", "_") if isinstance(use, str) else ""
        if known is not None and use in list(known):
            self.shapes.record(known[use], partial=True).read(_without_options(node), use, report)

    def schema(self, definitions: Json) -> Json:
        if "Step" not in definitions:
            whole: Json = {}
            definitions["Step"] = whole
            whole.update(self.keys.schema(definitions))
            whole["oneOf"] = [{"required": [kind]} for kind in KINDS]
        return {"$ref": "#/$defs/Step"}


def _without_options(node: Node) -> Node:
    """Without the settings that take an option of the command line (`$name`): they come later."""
    kept = {
        key: inner
        for key, inner in (node.value or {}).items()
        if not (isinstance(inner.value, str) and inner.value.startswith("$"))
    }
    return Node(kept, node.place, node.keys)


class ProceduresShape:
    """For each procedure either `replace`, or steps `before` and `after` the step of an id."""

    def __init__(self, plugins: Plugins, shapes: Shapes) -> None:
        steps = ListOf(StepShape(plugins, shapes))
        phase = Keys(
            lambda: {
                "id": ID,
                "title": Text(),
                "at": Text(judge=offset),
                "owner": Text(),
                "gate": Text(),
                "hold": Choice([str(hold) for hold in Hold]),
                "parallel": Number(1, 100),
                "steps": steps,
            },
            required=["id", "steps"],
            rule=_phase,
        )
        whole = Keys(
            lambda: {
                "procedure": Text(),
                "title": Text(),
                "preempt": Flag(),
                "phases": ListOf(phase),
            },
            required=["phases"],
            rule=_distinct_ids,
        )
        near = MapOf(steps)
        entry = Keys(lambda: {"replace": whole, "before": near, "after": near}, rule=_one_way)
        self.all = MapOf(entry, "[a-z][a-z0-9_-]{0,39}", "a name of a procedure")

    def read(self, node: Node, name: str, report: Report) -> Any:
        if node.value is None:
            return {}
        if not isinstance(node.value, dict):
            return misfit(node, name, "a mapping", report)
        self.all.read(node, name, report)
        return _written(plain(node))

    def schema(self, definitions: Json) -> Json:
        return self.all.schema(definitions)


def _written(value: Any) -> Any:
    """Plain values without the keys that were left empty."""
    if isinstance(value, dict):
        return {key: _written(one) for key, one in value.items() if one is not None}
    return [_written(one) for one in value] if isinstance(value, list) else value


def _one_way(node: Node, values: dict[str, Any], report: Report) -> None:
    given = node.value or {}
    if "replace" in given and ("before" in given or "after" in given):
        report.add(node.keys["replace"], "`replace` leaves nothing to put steps before or after")
    elif not given:
        report.add(node.place, "write `replace`, `before` or `after`, or leave it out")


def _steps(phase: Node) -> list[Node]:
    steps = phase.value.get("steps") if isinstance(phase.value, dict) else None
    listed = steps.value if steps is not None and isinstance(steps.value, list) else []
    return [step for step in listed if isinstance(step.value, dict)]


def step_id(step: Node) -> str:
    """A step's id: the one written, or the name of what it uses."""
    for key in ("id", *KINDS):
        if key in step.value:
            value = step.value[key].value
            return value if isinstance(value, str) else ""
    return ""


def _distinct_ids(node: Node, values: dict[str, Any], report: Report) -> None:
    phases = (node.value or {}).get("phases")
    listed = phases.value if phases is not None and isinstance(phases.value, list) else []
    seen: dict[str, int] = {}
    for phase in listed:
        for step in _steps(phase):
            name = step_id(step)
            if name and name in seen:
                said = (
                    f"duplicate step id `{clip(name)}`, first on line {seen[name]}; give it an id"
                )
                report.add(step.place, said)
            seen.setdefault(name, step.place[0])


def _phase(node: Node, values: dict[str, Any], report: Report) -> None:
    """`needs` must name steps of the same phase, and not go round in a circle."""
    steps = {step_id(step): step for step in _steps(node)}
    wanted: dict[str, list[str]] = {}
    for name, step in steps.items():
        needs = step.value.get("needs")
        listed = needs.value if needs is not None and isinstance(needs.value, list) else []
        for need in listed:
            if not isinstance(need.value, str):
                continue
            if need.value in steps:
                wanted.setdefault(name, []).append(need.value)
            else:
                near = report.suggest(need.value, steps)
                report.add(need.place, f"no step `{clip(need.value)}` in this phase{near}")
    circle = find_circle(wanted)
    if circle:
        place = steps[circle[0]].at("needs").place
        report.add(place, f"`needs` goes in a circle: {' → '.join(map(clip, circle))}")


def find_circle(wanted: Mapping[str, list[str]]) -> list[str]:
    """One way from a name back to itself, or nothing. Steps that end nowhere are taken away."""
    left = {name: list(needs) for name, needs in wanted.items()}
    while True:
        inner = {name: [need for need in needs if need in left] for name, needs in left.items()}
        kept = {name: needs for name, needs in inner.items() if needs}
        if not kept:
            return []
        if kept == left:
            break
        left = kept
    path = [next(iter(left))]
    while path[-1] not in path[:-1]:
        path.append(left[path[-1]][0])
    return path[path.index(path[-1]) :]

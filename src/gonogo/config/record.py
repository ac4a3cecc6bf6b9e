"""Mappings with fixed keys, and the dataclasses they become."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from typing import Any

from gonogo.config.document import Node, clip
from gonogo.config.report import BAD, Report, misfit
from gonogo.config.shape import Json, Shape

Rule = Callable[[Node, dict[str, Any], Report], None]
"""Looks at a whole record after its fields: gets the node and the values that were read well."""


class Keys:
    """A mapping with fixed keys. Nothing counts as empty."""

    def __init__(
        self,
        shapes: Callable[[], dict[str, Shape]],
        *,
        required: Iterable[str] = (),
        hints: dict[str, str] | None = None,
        rule: Rule | None = None,
    ) -> None:
        self.make_shapes = shapes
        self.required = tuple(required)
        self.hints = hints or {}
        self.rule = rule
        self.made: dict[str, Shape] | None = None

    @property
    def shapes(self) -> dict[str, Shape]:
        """Made on first use: a type may hold itself, and most plug-ins are never used."""
        if self.made is None:
            self.made = self.make_shapes()
        return self.made

    def read(self, node: Node, name: str, report: Report) -> Any:
        """The values that were read well; BAD if one that is needed is not among them."""
        if node.value is not None and not isinstance(node.value, dict):
            return misfit(node, name, "a mapping", report)
        given = node.value or {}
        wrong = [key for key in given if key not in self.shapes]
        for key in wrong:
            self.unknown(key, name, node, report)
        values = {}
        for key, shape in self.shapes.items():
            if key in given:
                value = shape.read(given[key], key, report)
                if value is not BAD:
                    values[key] = value
        for key in self.required:
            if key not in given and not _misspelt(key, wrong, report):
                where = f"`{clip(name)}` needs" if name else "missing:"
                report.add(node.place, f"{where} the key `{key}`")
        if self.rule:
            self.rule(node, values, report)
        return values if all(key in values for key in self.required) else BAD

    def unknown(self, key: str, name: str, node: Node, report: Report) -> None:
        """Say that there is no such key, and which there are."""
        hint = self.hints.get(key)
        more = f"; {hint}" if hint else report.suggest(key, set(self.shapes) - set(node.value))
        where = f" in `{clip(name)}`" if name else ""
        report.add(node.keys[key], f"unknown key `{clip(key)}`{where}{more}")

    def schema(self, definitions: Json) -> Json:
        return {
            "type": "object" if self.required else ["object", "null"],
            "properties": {key: shape.schema(definitions) for key, shape in self.shapes.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }


class Record(Keys):
    """A mapping with fixed keys that becomes a dataclass, whose own objections become problems.

    hidden are fields that are not keys: they take the key the record stands under.
    """

    def __init__(
        self,
        type_: type[Any],
        shapes: Callable[[], dict[str, Shape]],
        *,
        hidden: Iterable[str] = (),
        partial: bool = False,
        hints: dict[str, str] | None = None,
        rule: Rule | None = None,
    ) -> None:
        needed = () if partial else tuple(name for name in needed_by(type_) if name not in hidden)
        super().__init__(shapes, required=needed, hints=hints, rule=rule)
        self.type = type_
        self.hidden = tuple(hidden)
        self.partial = partial

    def read(self, node: Node, name: str, report: Report) -> Any:
        values = super().read(node, name, report)
        if values is BAD or self.partial:
            return values
        values |= dict.fromkeys(self.hidden, name)
        try:
            return self.type(**values)
        except ValueError as error:
            return report.add(node.place, clip(str(error), 200))

    def schema(self, definitions: Json) -> Json:
        name = self.type.__name__
        if not self.type.__module__.startswith("gonogo.model."):
            name = f"{self.type.__module__}.{name}"
        if self.partial:
            name += ".partial"
        if name not in definitions:
            whole = definitions[name] = {}
            said = (self.type.__doc__ or "").strip().split("\n\n")[0]
            whole["description"] = " ".join(said.split())
            whole.update(super().schema(definitions))
            for one in fields(self.type):
                if isinstance(one.default, bool | int | float | str) and one.name in self.shapes:
                    whole["properties"][one.name]["default"] = one.default
        return {"$ref": f"#/$defs/{name}"}


def needed_by(type_: type[Any]) -> list[str]:
    """The fields of a dataclass without a default."""
    return [
        one.name
        for one in fields(type_)
        if one.init and one.default is MISSING and one.default_factory is MISSING
    ]


def _misspelt(key: str, wrong: Iterable[str], report: Report) -> bool:
    """Whether an unknown key is this one misspelt: that is said once, not twice."""
    return any("did you mean" in report.suggest(other, [key]) for other in wrong)

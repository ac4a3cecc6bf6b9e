"""The short ways of writing things in `gonogo.yml`, and the one form each of them becomes.

`engine: local`, `build: [[make]]`, `DATABASE_URL: postgres-url` and `- http: {...}` are short for
longer forms. A node is rewritten, keeping its place, and then read like the long form.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gonogo.config.document import Node, clip, plain
from gonogo.config.record import Keys, Record
from gonogo.config.report import BAD, Report, misfit
from gonogo.config.shape import Flag, Json, ListOf, Shape, Text
from gonogo.config.shapes import Shapes
from gonogo.config.variables import TYPES
from gonogo.model.duration import seconds

Plugins = Mapping[str, Mapping[str, type[Any]]]
"""Kind (the name of its folder), name, settings. A kind that is not there is not validated."""


DURATION = Text(r"(\d+(\.\d+)?(ms|s|m|h|d))+", "a duration such as 10s, 5m or 24h", seconds)


def wrapped(node: Node, key: str) -> Node:
    """The node as the value of a mapping with one key."""
    return Node({key: node}, node.place, {key: node.place})


class Word:
    """A text; a whole number is taken as one, since `[sleep, 5]` can only mean one thing."""

    def read(self, node: Node, name: str, report: Report) -> Any:
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return str(node.value)
        return Text().read(node, name, report)

    def schema(self, definitions: Json) -> Json:
        return {"type": ["string", "integer"]}


class CommandShape:
    """A list of words, or {shell: line}."""

    def __init__(self, shell: Record) -> None:
        self.shell = shell
        self.words = ListOf(Word())

    def read(self, node: Node, name: str, report: Report) -> Any:
        if isinstance(node.value, dict):
            return self.shell.read(node, name, report)
        if not isinstance(node.value, list) or not node.value:
            wanted = "a list of words such as [npm, start], or {shell: npm start}"
            return misfit(node, name, wanted, report)
        words = self.words.read(node, name, report)
        return words if len(words) == len(node.value) else BAD

    def schema(self, definitions: Json) -> Json:
        return {
            "anyOf": [
                {**self.words.schema(definitions), "minItems": 1},
                self.shell.schema(definitions),
            ]
        }


class BuildShape:
    """A list of commands, or a mapping with `commands`."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def read(self, node: Node, name: str, report: Report) -> Any:
        commands = node
        if isinstance(node.value, dict) and "commands" in node.value:
            commands = node.at("commands")
        items = commands.value
        if isinstance(items, list) and items and all(isinstance(i.value, str) for i in items):
            shown = clip(", ".join(item.value for item in items))
            said = f"`build` is a list of commands, each a list; write [[{shown}]]"
            return report.add(commands.place, said)
        if isinstance(node.value, list):
            node = wrapped(node, "commands")
        return self.record.read(node, name, report)

    def schema(self, definitions: Json) -> Json:
        long = self.record.schema(definitions)
        return {"anyOf": [self.record.shapes["commands"].schema(definitions), long]}


class Chosen:
    """One plug-in of a kind with its settings: its name, or a mapping from its name to settings.

    Gives {name: settings} as plain values; the plug-in's owner makes the dataclass from them.
    """

    def __init__(self, kind: str, what: str, plugins: Plugins, shapes: Shapes) -> None:
        self.known = plugins.get(kind)
        self.what = what
        self.shapes = shapes

    def read(self, node: Node, name: str, report: Report) -> Any:
        if isinstance(node.value, str):
            node = Node({node.value: Node(None, node.place)}, node.place, {node.value: node.place})
        if not isinstance(node.value, dict) or len(node.value) != 1:
            return misfit(node, name, f"one {self.what}, by name or as {{name: settings}}", report)
        ((chosen, settings),) = node.value.items()
        value = self.settings(chosen, settings, node, report)
        return value if value is BAD else {chosen: value}

    def settings(self, chosen: str, node: Node, around: Node, report: Report) -> Any:
        """A plug-in's settings as plain values. One that is not a mapping is the first setting."""
        if self.known is None:
            return plain(node) if isinstance(node.value, dict) else {}
        if chosen not in list(self.known):
            near = report.suggest(chosen, self.known)
            return report.add(
                around.keys[chosen], f"there is no {self.what} `{clip(chosen)}`{near}"
            )
        record = self.shapes.record(self.known[chosen])
        if not isinstance(node.value, dict) and node.value is not None and record.shapes:
            node = wrapped(node, next(iter(record.shapes)))
        value = record.read(node, chosen, report)
        return value if value is BAD else (plain(node) or {})

    def schemas(self, definitions: Json) -> dict[str, Json]:
        """For each plug-in the schema of its settings."""
        return {name: self.setting_schema(name, definitions) for name in sorted(self.known or ())}

    def setting_schema(self, name: str, definitions: Json) -> Json:
        assert self.known is not None
        record = self.shapes.record(self.known[name])
        first = [shape.schema(definitions) for shape in list(record.shapes.values())[:1]]
        return {"anyOf": [record.schema(definitions), *first]}

    def schema(self, definitions: Json) -> Json:
        if self.known is None:
            return {"type": ["string", "object"]}
        one = {"type": "object", "properties": self.schemas(definitions), "maxProperties": 1}
        return {
            "anyOf": [{"enum": sorted(self.known)}, {**one, "additionalProperties": False}],
        }


class CheckShape:
    """One entry of `checks`: a check plug-in's name with its settings, beside the common keys.

    Becomes {id, use, settings} and what was written of run, severity, title and timeout.
    """

    def __init__(self, chosen: Chosen, common: Mapping[str, Shape]) -> None:
        self.chosen = chosen
        self.common = Keys(lambda: dict(common), required=["id"])

    def read(self, node: Node, name: str, report: Report) -> Any:
        if not isinstance(node.value, dict):
            return misfit(node, name, "a mapping such as {id: home, http: {path: /}}", report)
        others = [key for key in node.value if key not in self.common.shapes]
        known = self.chosen.known
        fitting = [key for key in others if known is None or key in list(known)]
        for key in others:
            if fitting and key not in fitting:
                self.common.unknown(key, "", node, report)
        base = {key: inner for key, inner in node.value.items() if key not in others}
        entry = self.common.read(Node(base, node.place, node.keys), "check", report)
        if len(fitting) > 1:
            said = " and ".join(f"`{clip(key)}`" for key in fitting)
            return report.add(node.keys[fitting[1]], f"{said} in one entry; a check is one of them")
        if not others:
            some = f" ({', '.join(sorted(known))})" if known else ""
            return report.add(node.place, f"names no check; add one key that does{some}")
        use = (fitting or others)[0]
        settings = self.chosen.settings(use, node.at(use), node, report)
        if entry is BAD or settings is BAD:
            return BAD
        return {**entry, "use": use, "settings": settings}

    def schema(self, definitions: Json) -> Json:
        common = self.common.schema(definitions)
        if self.chosen.known is None:
            return {**common, "additionalProperties": True}
        one_each = {
            name: {**setting, "title": name}
            for name, setting in self.chosen.schemas(definitions).items()
        }
        common["properties"] |= one_each
        return {**common, "oneOf": [{"required": [name]} for name in one_each]}


class VariableShape:
    """What a variable must be: a type's name, or {type: options}. Becomes {type: options}.

    `required: false` may stand beside the type, and is kept.
    """

    def __init__(self, shapes: Shapes) -> None:
        self.types = {name: shapes.record(type_) for name, type_ in TYPES.items()}

    def read(self, node: Node, name: str, report: Report) -> Any:
        if isinstance(node.value, str):
            node = Node({node.value: Node(None, node.place)}, node.place, {node.value: node.place})
        given = node.value if isinstance(node.value, dict) else {}
        types = [key for key in given if key != "required"]
        if len(types) != 1:
            said = "one type such as secret, or {secret: {min_length: 32}}"
            return misfit(node, name, said, report)
        beside = {}
        if "required" in given:
            beside = {"required": Flag().read(given["required"], "required", report)}
        options = self.options(types[0], node, report)
        return BAD if BAD in (options, *beside.values()) else {types[0]: options, **beside}

    def options(self, type_: str, around: Node, report: Report) -> Any:
        if type_ not in self.types:
            near = report.suggest(type_, self.types)
            return report.add(
                around.keys[type_], f"there is no variable type `{clip(type_)}`{near}"
            )
        record, node = self.types[type_], around.at(type_)
        if node.value is not None and not isinstance(node.value, dict) and record.shapes:
            node = wrapped(node, next(iter(record.shapes)))
        value = record.read(node, type_, report)
        return value if value is BAD else (plain(node) or {})

    def schema(self, definitions: Json) -> Json:
        properties: Json = {"required": {"type": "boolean"}}
        for name, record in self.types.items():
            first = [shape.schema(definitions) for shape in list(record.shapes.values())[:1]]
            properties[name] = {"anyOf": [record.schema(definitions), *first]}
        long = {
            "type": "object",
            "properties": properties,
            "oneOf": [{"required": [name]} for name in self.types],
            "additionalProperties": False,
        }
        return {"anyOf": [{"enum": [n for n, r in self.types.items() if not r.required]}, long]}


class WaiverShape:
    """{check, by, reason, until}. Becomes the fields of model.gate.Waiver."""

    def __init__(self) -> None:
        until = Text(r"\d{4}-\d{2}-\d{2}([T ].+)?", "a date such as 2026-12-31", last_second)
        words = Text(r"\s*\S(.|\s)*", "a text that says something")
        self.keys = Keys(
            lambda: {"check": words, "by": words, "reason": words, "until": until},
            required=["check", "by", "reason", "until"],
        )

    def read(self, node: Node, name: str, report: Report) -> Any:
        values = self.keys.read(node, "waiver", report)
        if values is BAD:
            return BAD
        step = values.pop("check")
        return {**values, "step": step, "until": last_second(values["until"])}

    def schema(self, definitions: Json) -> Json:
        return self.keys.schema(definitions)


def last_second(text: str) -> float:
    """When something valid until this date or time ends: a date lasts to its end, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        if len(text) == len("2026-12-31"):
            moment += timedelta(days=1)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{clip(text)} is no date; write one such as 2026-12-31") from None


class NameOf:
    """Text that is one of the known names, or any text if the names are not known.

    dashes: `guard-schema` is the plug-in guard_schema.
    """

    def __init__(self, names: Mapping[str, Any] | None, what: str, dashes: bool = False) -> None:
        self.names = names
        self.what = what
        self.dashes = dashes

    def read(self, node: Node, name: str, report: Report) -> Any:
        if self.names is None or not isinstance(node.value, str):
            return Text().read(node, name, report)
        if (node.value.replace("-", "_") if self.dashes else node.value) in list(self.names):
            return node.value
        near = report.suggest(node.value, self.names)
        return report.add(node.place, f"there is no {self.what} `{clip(node.value)}`{near}")

    def schema(self, definitions: Json) -> Json:
        if self.names is None:
            return {"type": "string"}
        dashed = [name.replace("_", "-") for name in self.names] if self.dashes else []
        return {"enum": sorted({*self.names, *dashed})}

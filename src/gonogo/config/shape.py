"""What a value must look like: made from the type of a dataclass field, used twice.

A shape reads a node, collecting every problem in plain words with its place, and gives the JSON
Schema for editors. One definition serves both. This is here instead of a JSON Schema validator and
a converter because those answer a wrong choice between two forms with "is not valid under any of
the given schemas", stop at the first problem or cascade, and cost twice the start-up time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from gonogo.config.document import Node, clip, plain
from gonogo.config.report import BAD, Report, found, misfit

Json = dict[str, Any]


class Shape(Protocol):
    """Reads a node, and describes itself."""

    def read(self, node: Node, name: str, report: Report) -> Any:
        """The value, or BAD after a problem was added to the report. name is for messages."""

    def schema(self, definitions: Json) -> Json:
        """JSON Schema; records put themselves into definitions."""


class Anything:
    """Takes any value as it is."""

    def read(self, node: Node, name: str, report: Report) -> Any:
        return plain(node)

    def schema(self, definitions: Json) -> Json:
        return {}


class Text:
    """A text, perhaps of one pattern, perhaps judged by a function that raises ValueError."""

    def __init__(
        self,
        pattern: str = "",
        words: str = "text",
        judge: Callable[[str], object] | None = None,
    ) -> None:
        self.pattern = pattern
        self.words = words
        self.judge = judge

    def read(self, node: Node, name: str, report: Report) -> Any:
        value = node.value
        if not isinstance(value, str):
            return report.add(node.place, self._not_text(node, name))
        if self.pattern and not re.fullmatch(self.pattern, value):
            return misfit(node, name, self.words, report)
        if self.judge:
            try:
                self.judge(value)
            except ValueError as error:
                return report.add(node.place, f"`{clip(name)}`: {clip(str(error), 200)}")
        return value

    def _not_text(self, node: Node, name: str) -> str:
        said = f"`{clip(name)}` must be {self.words}, found {found(node)}"
        scalar = isinstance(node.value, bool | int | float)
        return said + ("; put it in quotes" if scalar and not self.pattern else "")

    def schema(self, definitions: Json) -> Json:
        return {"type": "string"} | ({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})


class Number:
    """A number within bounds, whole unless told otherwise."""

    def __init__(
        self, low: float | None = None, high: float | None = None, whole: bool = True
    ) -> None:
        self.low, self.high, self.whole = low, high, whole

    def read(self, node: Node, name: str, report: Report) -> Any:
        value = node.value
        wanted = "a whole number" if self.whole else "a number"
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return misfit(node, name, wanted, report)
        low, high = self.low, self.high
        if (low is not None and value < low) or (high is not None and value > high):
            bounds = f"from {low} to {high}" if high is not None else f"of at least {low}"
            return misfit(node, name, f"{wanted} {bounds}", report)
        return value if self.whole else float(value)

    def schema(self, definitions: Json) -> Json:
        whole: Json = {"type": "integer" if self.whole else "number"}
        if self.low is not None:
            whole["minimum"] = self.low
        if self.high is not None:
            whole["maximum"] = self.high
        return whole


class Flag:
    """true or false."""

    def read(self, node: Node, name: str, report: Report) -> Any:
        if not isinstance(node.value, bool):
            return misfit(node, name, "true or false", report)
        return node.value

    def schema(self, definitions: Json) -> Json:
        return {"type": "boolean"}


class Nothing:
    """No value at all."""

    def read(self, node: Node, name: str, report: Report) -> Any:
        return None if node.value is None else misfit(node, name, "left empty", report)

    def schema(self, definitions: Json) -> Json:
        return {"type": "null"}


class Choice:
    """One of a few words."""

    def __init__(self, words: Iterable[str], what: str = "a known word") -> None:
        self.words = tuple(words)
        self.what = what

    def read(self, node: Node, name: str, report: Report) -> Any:
        if isinstance(node.value, str) and node.value in self.words:
            return node.value
        if len(self.words) <= 8:
            wanted = ", ".join(self.words[:-1]) + " or " * (len(self.words) > 1) + self.words[-1]
            return misfit(node, name, wanted, report)
        near = report.suggest(node.value, self.words) if isinstance(node.value, str) else ""
        said = f"`{clip(name)}` must be {self.what}, found {found(node)}{near}"
        return report.add(node.place, said)

    def schema(self, definitions: Json) -> Json:
        return {"enum": list(self.words)}


class ListOf:
    """A list of one kind of thing."""

    def __init__(self, item: Shape, make: Callable[[list[Any]], Any] = tuple) -> None:
        self.item = item
        self.make = make

    def read(self, node: Node, name: str, report: Report) -> Any:
        if not isinstance(node.value, list):
            return misfit(node, name, "a list", report)
        items = [self.item.read(inner, f"{name} item", report) for inner in node.value]
        return self.make([item for item in items if item is not BAD])

    def schema(self, definitions: Json) -> Json:
        return {"type": "array", "items": self.item.schema(definitions)}


class MapOf:
    """A mapping from names to one kind of thing; nothing counts as empty."""

    def __init__(self, item: Shape, key: str = "", words: str = "a name") -> None:
        self.item, self.key, self.words = item, key, words

    def read(self, node: Node, name: str, report: Report) -> Any:
        if node.value is None:
            return {}
        if not isinstance(node.value, dict):
            return misfit(node, name, "a mapping", report)
        whole = {}
        for key, inner in node.value.items():
            if self.key and not re.fullmatch(self.key, key):
                report.add(node.keys[key], f"`{clip(key)}` in `{clip(name)}` is not {self.words}")
            value = self.item.read(inner, key, report)
            if value is not BAD:
                whole[key] = value
        return whole

    def schema(self, definitions: Json) -> Json:
        whole: Json = {"type": ["object", "null"]}
        item = self.item.schema(definitions)
        if not self.key:
            return whole | {"additionalProperties": item}
        pattern = f"^(?:{self.key})$"
        return whole | {"patternProperties": {pattern: item}, "additionalProperties": False}


class Either:
    """One of several shapes. The problem told is that of the one which fits the kind of value."""

    def __init__(self, shapes: Iterable[Shape], words: str = "") -> None:
        self.shapes = tuple(shapes)
        self.words = words

    def read(self, node: Node, name: str, report: Report) -> Any:
        attempts = []
        for shape in self.shapes:
            with report.quiet() as problems:
                value = shape.read(node, name, report)
            if not problems:
                return value
            attempts.append(problems)
        inside = [p for p in attempts if all(place != node.place for place, _ in p)]
        others = [s for s in self.shapes if not isinstance(s, Nothing)]
        if self.words and not inside:
            return misfit(node, name, self.words, report)
        chosen = inside[0] if inside else attempts[self.shapes.index(others[0])]
        for place, message in chosen:
            report.add(place, message)
        return BAD

    def schema(self, definitions: Json) -> Json:
        return {"anyOf": [shape.schema(definitions) for shape in self.shapes]}

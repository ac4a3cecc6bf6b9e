"""Reads YAML into plain values that know where they stand: line and column of each key and value.

It is built from the parser's events instead of `compose`, because that keeps it free of recursion
and lets it stop at the first sign of a bomb: nothing a file holds can make it slow or crash.
Scalars follow YAML 1.2, so `yes`, `on`, `12:30` and `2026-12-31` are texts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.events import Event

from gonogo.model.errors import BadConfiguration

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 10_000

Place = tuple[int, int]
"""Line and column, both counted from 1."""

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True}
_WORDS |= {"false": False, "False": False, "FALSE": False}


@dataclass(slots=True)
class Node:
    """A value and its place. keys holds the place of each key of a mapping.

    size counts the value and all inside it with aliases written out; height is how deep it nests.
    """

    value: Any
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    height: int = 1

    def at(self, *path: str | int) -> Node:
        """The node at a path of keys and positions. KeyError or IndexError when there is none."""
        node = self
        for part in path:
            node = node.value[part]
        return node


def plain(node: Node) -> Any:
    """The value without places: what `json.dumps` takes."""
    if isinstance(node.value, dict):
        return {key: plain(inner) for key, inner in node.value.items()}
    if isinstance(node.value, list):
        return [plain(inner) for inner in node.value]
    return node.value


def clip(text: str, length: int = 40) -> str:
    """A text fit for one line of a message."""
    shown = "".join(c if c.isprintable() else "·" for c in text[: length + 1])
    return shown if len(shown) <= length else shown[:length] + "…"


def refuse(file: str, place: Place, message: str, next_step: str = "") -> NoReturn:
    """Raise BadConfiguration with one problem."""
    error = BadConfiguration([f"{file}:{place[0]}:{place[1]}: {message}"])
    error.next_step = next_step
    raise error


def read(path: Path) -> Node:
    """The file's content. BadConfiguration, naming the place, when it cannot be used."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
            size = path.stat().st_size
    except FileNotFoundError:
        refuse(file, (1, 1), "there is no such file", "gonogo init")
    except IsADirectoryError:
        refuse(file, (1, 1), "this is a folder, not a file")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        refuse(file, (1, 1), f"cannot be read: {reason}")
    if len(content) > MAX_BYTES:
        refuse(
            file, (1, 1), f"is {max(size, len(content)):,} bytes; at most {MAX_BYTES:,} are read"
        )
    return parse(content, file)


def where(path: Path, text: str, *keys: str) -> str:
    """`:line:column` of the first value below these keys that holds a text, lines of shell aside.

    Nothing when there is none: the file may have changed since it was last read.
    """
    try:
        todo = [read(path).at(*keys)]
    except (BadConfiguration, KeyError, TypeError):
        return ""
    while todo:
        node = todo.pop()
        if isinstance(node.value, str) and text in node.value:
            return f":{node.place[0]}:{node.place[1]}"
        if isinstance(node.value, dict):
            todo += [inner for key, inner in reversed(node.value.items()) if key != "shell"]
        elif isinstance(node.value, list):
            todo += reversed(node.value)
    return ""


def parse(content: bytes, file: str) -> Node:
    """The one document in content. file is only for messages."""
    if len(content) > MAX_BYTES:
        refuse(file, (1, 1), f"is {len(content):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", errors="replace")
        refuse(file, _place_after(before), "is not UTF-8 text; save the file as UTF-8")
    return _Builder(file, text).build()


def _place_after(text: str) -> Place:
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def _place(mark: Any) -> Place:
    return mark.line + 1, mark.column + 1


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    node: Node
    anchor: str | None
    key: str | None = None
    merges: list[Node] = field(default_factory=list)


class _Builder:
    """Puts the parser's events together. One use per document."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = _BREAK.split(text)
        self.open: list[_Open] = []
        self.anchors: dict[str, Node | None] = {}
        self.count = 0
        self.root: Node | None = None

    def build(self) -> Node:
        documents = 0
        try:
            for event in yaml.parse(self.text, Loader=yaml.CSafeLoader):
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self.refuse(event, "a second document starts here; only one is read")
                self.take(event)
        except yaml.YAMLError as error:
            self.not_yaml(error)
        if self.root is None or self.root.value is None:
            refuse(self.file, (1, 1), "is empty", "gonogo init")
        return self.root

    def refuse(self, event: Event, message: str) -> NoReturn:
        refuse(self.file, _place(event.start_mark), message)

    def take(self, event: Event) -> None:
        """One event."""
        tag = getattr(event, "tag", None)
        if tag is not None:
            tag = tag.replace("tag:yaml.org,2002:", "!!")
            self.refuse(event, f"tags such as `{clip(tag)}` are not used in this file")
        if isinstance(event, yaml.ScalarEvent):
            self.check_tab(event)
            value = _scalar(event.value) if event.implicit[0] else event.value
            node = Node(value, _place(event.start_mark))
            self.grow(event, 1, 1)
            if event.anchor:
                self.anchors[event.anchor] = node
            self.add(event, node, merge=event.implicit[0] and value == "<<")
        elif isinstance(event, yaml.AliasEvent):
            self.add(event, self.alias(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            self.grow(event, 1, 1)
            empty: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            self.open.append(_Open(Node(empty, _place(event.start_mark)), event.anchor))
            if event.anchor:
                self.anchors[event.anchor] = None
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self.open.pop()
            if done.merges:
                self.merge(event, done)
            if done.anchor:
                self.anchors[done.anchor] = done.node
            self.add(event, done.node)

    def grow(self, event: Event, size: int, height: int) -> None:
        self.count += size
        if self.count > MAX_NODES:
            self.refuse(event, f"more than {MAX_NODES:,} values, aliases written out")
        if len(self.open) + height > MAX_DEPTH:
            self.refuse(event, f"nested deeper than {MAX_DEPTH} levels")

    def check_tab(self, event: Any) -> None:
        first, last = event.start_mark.line, event.end_mark.line
        if first != last and event.style is None:
            for number, line in enumerate(self.lines[first + 1 : last + 1]):
                if line.lstrip(" ").startswith("\t") and line.strip():
                    place = (first + number + 2, line.index("\t") + 1)
                    refuse(self.file, place, "a tab used for indentation; use spaces")

    def alias(self, event: Any) -> Node:
        if event.anchor not in self.anchors:
            self.refuse(event, f"`*{clip(event.anchor)}` has no anchor `&{clip(event.anchor)}`")
        node = self.anchors[event.anchor]
        if node is None:
            self.refuse(event, f"`*{clip(event.anchor)}` holds itself")
        self.grow(event, node.size, node.height)
        return node

    def add(self, event: Event, node: Node, merge: bool = False) -> None:
        """Put a finished node where it belongs: root, list item, key or value."""
        if not self.open:
            self.root = node
            return
        top = self.open[-1]
        whole = top.node
        whole.height = max(whole.height, node.height + 1)
        whole.size += node.size
        if isinstance(whole.value, list):
            whole.value.append(node)
        elif top.key is None:
            top.key = self.key(event, node, whole)
            if not merge:
                whole.keys[top.key] = _place(event.start_mark)
        elif top.key == "<<" and "<<" not in whole.keys:
            top.merges.append(node)
            top.key = None
        else:
            whole.value[top.key] = node
            top.key = None

    def key(self, event: Event, node: Node, whole: Node) -> str:
        key = node.value
        if not isinstance(key, str):
            shown = "a list or mapping" if isinstance(key, dict | list) else f"`{_shown(key)}`"
            refuse(self.file, node.place, f"a key must be text, found {shown}; put it in quotes")
        if key in whole.keys:
            first = whole.keys[key][0]
            self.refuse(event, f"duplicate key `{clip(key)}`, first on line {first}")
        return key

    def merge(self, event: Event, done: _Open) -> None:
        """`<<: *base` puts in the keys that are not written out."""
        for wanted in done.merges:
            sources = wanted.value if isinstance(wanted.value, list) else [wanted]
            for source in sources:
                if not isinstance(source.value, dict):
                    refuse(self.file, wanted.place, "`<<` takes a mapping or a list of mappings")
                for key, node in source.value.items():
                    if key not in done.node.value:
                        done.node.value[key] = node
                        done.node.keys[key] = source.keys[key]

    def not_yaml(self, error: Any) -> NoReturn:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
        context = str(getattr(error, "context", None) or "")
        if mark is None:
            position = getattr(error, "position", None)
            before = self.text.encode()[: position or 0].decode(errors="ignore")
            refuse(self.file, _place_after(before), f"not YAML: {_in_words(problem, context)}")
        place = _place(mark)
        line = self.lines[place[0] - 1] if place[0] <= len(self.lines) else ""
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent or line[place[1] - 1 : place[1]] == "\t":
            place = (place[0], line.index("\t") + 1)
            refuse(self.file, place, "a tab used for indentation; use spaces")
        refuse(self.file, place, f"not YAML: {_in_words(problem, context)}")


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return clip(str(value))


_EXPLAINED = (
    ("mapping values are not allowed", "a `:` where none can be; put the text in quotes"),
    ("could not find expected ':'", "a `:` is missing after this key"),
    ("unexpected end of stream", "a quote is opened and never closed"),
    ("cannot start any token", "a text cannot start with this character; put it in quotes"),
    ("did not find expected ',' or", "a bracket is never closed, or a comma is missing"),
    ("did not find expected key", "the indentation does not fit the lines above"),
    ("did not find expected '-'", "the indentation does not fit the list above"),
    ("control characters", "a control character"),
)


def _in_words(problem: str, context: str) -> str:
    for part, words in _EXPLAINED:
        if part in problem:
            return words
    return clip(f"{problem} {context}".strip(), 120)


def _scalar(text: str) -> str | int | float | bool | None:
    """What a text without quotes means in YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if not text.isdecimal() and len(text) < 40 and _NUMBER.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text

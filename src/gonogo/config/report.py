"""Collects problems and words them: what was wanted, what was found, what was perhaps meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from gonogo.config.document import Node, Place, clip
from gonogo.model.errors import BadConfiguration

MAX_SHOWN = 50
MAX_LENGTH = 500
MAX_SUGGESTED = 100
"""Looking for similar names takes time; a file with more mistakes than this is not one."""


class _Bad:
    """Stands for a value whose problem is reported; nothing more is said about it."""

    def __bool__(self) -> bool:
        return False


BAD: Any = _Bad()


class Report:
    """Collects problems. Each is kept once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: dict[tuple[Place, str], None] = {}
        self.suggested = 0

    def add(self, place: Place, message: str) -> Any:
        """Note a problem; gives BAD, so that a reader can return it."""
        self.problems[place, clip(message, MAX_LENGTH)] = None
        return BAD

    def suggest(self, wrong: str, names: Iterable[str]) -> str:
        """`; did you mean `this`?`, or the few names there are, or nothing."""
        from difflib import get_close_matches

        known = sorted(names)
        self.suggested += 1
        if self.suggested > MAX_SUGGESTED:
            return ""
        close = get_close_matches(wrong[:60], known, n=1, cutoff=0.6)
        if close:
            return f"; did you mean `{close[0]}`?"
        return "; known: " + ", ".join(known) if 0 < len(known) <= 12 else ""

    def finish(self) -> None:
        """Raise BadConfiguration with everything found, by line, if there was anything."""
        if not self.problems:
            return
        found = sorted(self.problems, key=lambda problem: problem[0])
        lines = [f"{self.file}:{line}:{column}: {text}" for (line, column), text in found]
        if len(lines) > MAX_SHOWN:
            place = f"{self.file}:{found[MAX_SHOWN][0][0]}:{found[MAX_SHOWN][0][1]}"
            lines[MAX_SHOWN:] = [f"{place}: and {len(lines) - MAX_SHOWN} more problems from here"]
        raise BadConfiguration(lines)

    @contextmanager
    def quiet(self) -> Iterator[dict[tuple[Place, str], None]]:
        """Collect problems apart, to look whether something would fit."""
        before, self.problems = self.problems, {}
        try:
            yield self.problems
        finally:
            self.problems = before


def found(node: Node) -> str:
    """What a value is, in words."""
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"text `{clip(value)}`"
    return f"the number {value}"


def misfit(node: Node, name: str, wanted: str, report: Report) -> Any:
    """The usual message about a wrong type."""
    return report.add(node.place, f"`{clip(name)}` must be {wanted}, found {found(node)}")

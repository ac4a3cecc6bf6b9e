"""Lines of logs: when each was written, how bad it is, and which of them say the same.

Applications write as they like, so what is recognised are the usual forms: words in capitals,
`level=error`, JSON with `level` or `severity` (also Pino's numbers), tracebacks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad a line is, the worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"

    def within(self, least: Level) -> bool:
        """Whether it is as bad as that, or worse."""
        order = list(Level)
        return order.index(self) <= order.index(least)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line; at is when it was written, in seconds since the epoch, where that is known."""

    text: str
    at: float | None = None


@dataclass(frozen=True, kw_only=True)
class Log:
    """The last lines that an instance wrote. cut: there were, or may have been, earlier ones."""

    lines: Sequence[Line] = ()
    cut: bool = False

    @property
    def text(self) -> str:
        """The lines as they were written."""
        return "\n".join(line.text for line in self.lines)

    @staticmethod
    def of(text: str, *, cut: bool = False) -> Log:
        """A log of which no times are known."""
        return Log(lines=[Line(text=line) for line in text.splitlines()], cut=cut)


ERRORS = (
    r"\b(?:ERROR|FATAL|CRITICAL|PANIC|EMERG)\b",
    r'"(?:level|severity)"\s*:\s*"(?:error|fatal|critical)"',
    r"level=(?:error|fatal|critical)\b",
    r"^Traceback \(most recent call last\)",
    r"\b[Uu]n(?:handled|caught) ",
)
"""What an error line is, unless a team says otherwise."""

_FORMS = (
    r"\b(?:{upper})\b",
    r'"(?:level|severity)"\s*:\s*"(?i:{upper})"',
    r"\blevel=(?i:{upper})\b",
    r"\[(?i:{upper})\]",
    r"^(?i:{upper}):",
)
_WORDS = {
    Level.ERROR: "ERR|ERROR|FATAL|CRITICAL|CRIT|PANIC|ALERT|EMERG",
    Level.WARNING: "WARN|WARNING",
    Level.INFO: "INFO|NOTICE|LOG",
    Level.DEBUG: "DEBUG|TRACE",
}
_PINO = {Level.ERROR: "[56]0", Level.WARNING: "40", Level.INFO: "30", Level.DEBUG: "[12]0"}


def _pattern(level: Level) -> re.Pattern[str]:
    forms = [one.format(upper=_WORDS[level]) for one in _FORMS]
    forms.append(rf'"level"\s*:\s*{_PINO[level]}\b')
    return re.compile("|".join([*forms, *(ERRORS if level is Level.ERROR else ())]))


_PATTERNS = {level: _pattern(level) for level in Level}


def level_of(text: str) -> Level | None:
    """The level that a line names itself: the one named first in it."""
    found = [(match.start(), level) for level in Level if (match := _PATTERNS[level].search(text))]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def levels(lines: Sequence[str]) -> list[Level | None]:
    """The level of each line; one that goes on with what the line before began has that one's.

    What goes on is indented, or the line that ends a traceback.
    """
    found: list[Level | None] = []
    now, inside = None, False
    for text in lines:
        own, indented = level_of(text), text[:1] in (" ", "\t")
        if (own and not indented) or not (indented or inside):
            now = own
        inside = (inside and indented) or text.startswith("Traceback ")
        found.append(now)
    return found


_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d)\b)?"
_TIME_WITHIN = 80
"""Characters at the beginning of a line among which its time must be."""


def written_at(text: str) -> float | None:
    """When a line says that it was written; without a zone, in this machine's."""
    match = re.search(_TIME, text[:_TIME_WITHIN])
    if not match:
        return None
    day, rest = match[0][:10], match[0][11:].replace("UTC", "Z").replace(" ", "")
    try:
        return datetime.fromisoformat(f"{day}T{rest}").timestamp()
    except ValueError:
        return None


_LEVELS = "|".join(_WORDS.values())
_HEAD = re.compile(
    rf"^(?:\[?{_TIME}\]?|\d\d:\d\d:\d\d(?:[.,]\d+)?|\[\d+\]|\[?(?:{_LEVELS}|(?i:{_LEVELS})(?=[]:]))\b\]?"
    r"|[^\w['\"(•]+)+"
)
"""Times and levels at the beginning of a line, and what stands between them."""
_CHANGING = re.compile(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    r"|\b0x[0-9a-fA-F]+\b|\b(?=\w*\d)[0-9a-fA-F]{8,}\b|\d+(?:[.:,]\d+)*"
)
"""What differs between lines that say the same: ids, addresses, numbers."""
_SAID = ("msg", "message", "error", "err", "event")
_LONGEST = 160


def message(text: str) -> str:
    """What a line says, without what differs each time: its time, its level, ids and numbers."""
    said = _HEAD.sub("", _text_in(text).strip())
    said = " ".join(_CHANGING.sub("#", said).split())
    return said[:_LONGEST] or text.strip()[:_LONGEST]


def _text_in(line: str) -> str:
    """The text that a line of JSON carries; any other line as it is."""
    if not line.lstrip().startswith("{"):
        return line
    try:
        whole: Any = json.loads(line)
    except (ValueError, RecursionError):
        return line
    said = [whole[name] for name in _SAID if isinstance(whole.get(name), str)]
    return said[0] if said else line


def errors(lines: Sequence[str]) -> list[str]:
    """What each error in a log says, one text for each, however many lines it takes.

    A traceback belongs to the error before it; one that stands alone is told by its last line.
    """
    found: list[str] = []
    inside, alone = False, False
    for text, level in zip(lines, levels(lines), strict=True):
        if level is not Level.ERROR:
            inside = alone = False
            continue
        traceback = text.startswith("Traceback ")
        goes_on = text[:1] in (" ", "\t") or level_of(text) is not Level.ERROR or traceback
        if not (inside and goes_on):
            found.append(text)
            alone = traceback
        elif alone and text[:1] not in (" ", "\t"):
            found[-1] = text
        inside = True
    return found

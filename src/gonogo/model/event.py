"""One line of the journal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64
"""What the first event names as the one before it."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a run.

    (run, step, attempt, kind) is unique: writing the same thing twice writes it once.
    hash = sha256 over the previous hash and the canonical JSON of everything else.
    """

    sequence: int
    run: str
    step: str
    attempt: int
    kind: str
    at: float
    body: dict[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """The head of a journal, kept where the journal is not: what was cut off later is noticed.

    journal is the hash of the journal's first event, which tells it from any other.
    """

    journal: str
    sequence: int
    hash: str


def digest(
    *,
    sequence: int,
    run: str,
    step: str,
    attempt: int,
    kind: str,
    at: float,
    body: dict[str, Any],
    previous: str,
) -> str:
    """The hash that chains an event to the one before it (sha256, hexadecimal)."""
    content = [sequence, run, step, attempt, kind, at, body]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()

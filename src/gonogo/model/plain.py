"""Values as plain JSON values, as they come back when they are read again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any


def plain(value: Any) -> dict[str, Any]:
    """A dataclass as JSON would give it back: lists instead of tuples, texts instead of enums."""
    data: dict[str, Any] = json.loads(json.dumps(asdict(value)))
    return data

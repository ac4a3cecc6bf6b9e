"""Which release of the portal this is."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@lru_cache(maxsize=1)
def version() -> str:
    """Return $RELEASE_VERSION, or what the VERSION file of the release says."""
    named = os.environ.get("RELEASE_VERSION", "")
    if named:
        return named
    try:
        return (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    except OSError:
        return "unknown"

"""The maintenance page, and the note that says that users get it: what the proxies share.

The note is a file in the proxy's folder, so that it is still there when the proxy is restarted.
"""

from __future__ import annotations

import json
from pathlib import Path

from gonogo.model.errors import PermanentError
from gonogo.proxies._common import write

NOTE = "maintenance.json"
PAGE = "maintenance.html"
DEFAULT_PAGE = Path(__file__).with_name(PAGE)
"""The page of a team that has none of its own."""
HEADERS = {"Retry-After": "120", "Cache-Control": "no-store", "X-Gonogo-Maintenance": "on"}
"""What goes with the page. By the last one gonogo's own checks know it from an answer."""


def noted(folder: Path) -> str:
    """The note in a proxy's folder; empty when users are served."""
    path = folder / NOTE
    return str(json.loads(path.read_text())["note"]) if path.exists() else ""


def note(folder: Path, text: str) -> None:
    """Write the note; an empty one: users are served."""
    path = folder / NOTE
    if text:
        write(path, json.dumps({"note": text}).encode())
    else:
        path.unlink(missing_ok=True)


def page(path: Path) -> bytes:
    """The page itself. PermanentError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise PermanentError(
            f"the maintenance page {path} cannot be read: {problem.strerror}",
            next_step="correct `maintenance_page` in gonogo.yml",
        ) from problem

"""Tracebacks are for the log: a person never sees one."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path


def keep(error: Exception) -> Path:
    """Keep the traceback in the environment's log or, before there is one, in a private folder."""
    if not logging.getLogger().handlers:
        folder = Path(tempfile.mkdtemp(prefix="gonogo-error-"))
        logging.basicConfig(filename=folder / "traceback.log")
    logging.getLogger("gonogo").error("unexpected", exc_info=error)
    handler = logging.getLogger().handlers[0]
    return Path(getattr(handler, "baseFilename", ""))


def keep_ignored() -> None:
    """Have the log get what Python would print and ignore.

    A run that is stopped leaves steps in their middle, and what they wait for is gone when Python
    closes them.
    """
    sys.unraisablehook = _ignored


def _ignored(what: sys.UnraisableHookArgs) -> None:
    if what.exc_value is not None and logging.getLogger().handlers:
        logging.getLogger("gonogo").warning("ignored: %r", what.object, exc_info=what.exc_value)

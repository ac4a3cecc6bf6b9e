"""Clients of a proxy: benchmarks/load.py in a process of its own, so that tests may stand still."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).resolve().parents[1] / "benchmarks" / "load.py"
ENDS_WITHIN = 60.0


class Load:
    """Requests at a constant rate within the block: half on kept connections, 30 % POST, 2 % slow.

    Every answer but 200 is a failure. After the block, seen has what the load saw.
    """

    def __init__(self, port: int, rate: float = 100) -> None:
        self._command = [
            *(sys.executable, str(PROGRAM), f"http://127.0.0.1:{port}", "--rate", str(rate)),
            *("--slow", "/slow", "--fail-from", "201", "--json"),
        ]
        self.seen: dict[str, Any] = {}

    def __enter__(self) -> Load:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        output, _ = self._process.communicate(timeout=ENDS_WITHIN)
        self.seen = json.loads(output)

    @property
    def requests(self) -> int:
        """How many were sent."""
        return int(self.seen["requests"])

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return int(self.seen["failed"])

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The first of those."""
        return list(self.seen["failures"])

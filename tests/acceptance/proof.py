"""Many trials of one kind: on several sites at the same time, collected, written as JSON."""

from __future__ import annotations

import json
import os
import random
import threading
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

KILLS = int(os.environ.get("GONOGO_PROOF_KILLS") or 0)
"""How many random kills; with it set, every moment of a run is tried as well."""

LANES = int(os.environ.get("GONOGO_PROOF_LANES") or 3)
"""How many sites work side by side."""


def sample(everything: Sequence[int], number: int) -> list[int]:
    """That many of them, evenly; all of them in the full proof."""
    if KILLS or len(everything) <= number:
        return list(everything)
    step = len(everything) / number
    offset = random.random()
    return [everything[int((place + offset) * step)] for place in range(number)]


def side_by_side(
    lanes: Sequence[Any], trials: Sequence[Any], attempt: Callable[[Any, Any], Any]
) -> list[Any]:
    """Each lane takes the next trial as soon as it is free."""
    left, lock = list(reversed(trials)), threading.Lock()

    def work(lane: Any) -> list[Any]:
        done: list[Any] = []
        while True:
            with lock:
                if not left:
                    return done
                trial = left.pop()
            done.append(attempt(lane, trial))

    with ThreadPoolExecutor(len(lanes)) as pool:
        return [one for done in pool.map(work, lanes) for one in done]


def write_results(name: str, results: Any) -> None:
    """Keep the figures where GONOGO_PROOF_RESULTS says."""
    if folder := os.environ.get("GONOGO_PROOF_RESULTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.json").write_text(json.dumps(results, indent=2) + "\n")


class Visitor:
    """Somebody who uses the application all the time, and counts what goes wrong."""

    def __init__(self, url: str, every: float = 0.02) -> None:
        self._url, self._every = url, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._visit, daemon=True)
        self.requests = 0
        self.failures: list[str] = []

    def __enter__(self) -> Visitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _visit(self) -> None:
        while not self._stop.wait(self._every):
            self.requests += 1
            try:
                with urllib.request.urlopen(f"{self._url}/", timeout=5) as answer:
                    answer.read()
            except OSError as error:
                self.failures.append(str(error))

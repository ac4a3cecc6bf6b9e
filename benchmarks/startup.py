"""How long the commands that only read take: `python benchmarks/startup.py`.

Each command is timed as a whole process, in turn with an empty Python and one that only imports
Typer, so that a busy machine slows all of them alike. The results go to benchmarks/results.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = Path(os.environ.get("GONOGO_PROOF_RESULTS") or HERE / "results")
GONOGO = Path(sys.executable).parent / "gonogo"
GOAL_MS = 300
ROUNDS = int(os.environ.get("GONOGO_PROOF_ROUNDS") or 15)
RUNS = 50
"""How many runs there are to list."""

CONFIGURATION = """\
app: shop
environments:
  development:
    engine: local
    development: true
    services:
      web: {command: [python, app.py], port: 31998, health: /}
    checks:
      - {id: answers, http: {service: web, path: /, expect: [status == 200]}, run: after}
"""
BARE, TYPER = "python -c pass", "python -c 'import typer'"
COMMANDS = {
    BARE: [sys.executable, "-c", "pass"],
    TYPER: [sys.executable, "-c", "import typer"],
    **{
        f"gonogo {words}": [str(GONOGO), *words.split()]
        for words in ("--help", "status", "runs", "show last", "journal verify")
    },
}


def main() -> None:
    """Measure and write the results."""
    with tempfile.TemporaryDirectory(prefix="gonogo-startup-") as folder:
        project = Path(folder)
        (project / "gonogo.yml").write_text(CONFIGURATION)
        record(project)
        for command in COMMANDS.values():
            took(command, project)
        times: dict[str, list[float]] = {name: [] for name in COMMANDS}
        processor: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(ROUNDS):
            for name, command in COMMANDS.items():
                before = processor_seconds()
                times[name].append(took(command, project))
                processor[name].append((processor_seconds() - before) * 1000)
    results = {
        name: {**summary(values, times), "cpu_ms": round(statistics.median(processor[name]), 1)}
        for name, values in times.items()
    }
    about = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "rounds": ROUNDS,
        "runs in the journal": RUNS,
        "goal_ms": GOAL_MS,
        "load": round(os.getloadavg()[0], 2),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "startup.json").write_text(
        json.dumps({"about": about, "commands": results}, indent=2) + "\n"
    )
    page = table(about, results)
    (RESULTS / "startup.md").write_text(page)
    print(page, end="")


def record(project: Path) -> None:
    """A journal with some runs, each of a few steps."""
    from gonogo.wiring import clock, find_site

    journal = find_site(project, "development").journal
    for number in range(RUNS):
        run = f"check-{number:04}"
        step = {
            "id": "answers", "kind": "check", "use": "http", "title": "", "settings": {},
            "operations": [], "skip": "", "needs": [], "timeout": 60.0, "retries": 0,
            "critical": True, "undo": None, "loses_data": False,
        }  # fmt: skip
        phase = {
            "id": "verify", "title": "Verify", "steps": [step], "at": None, "owner": "",
            "gate": "all-critical-pass", "hold": "reserve", "parallel": 4,
        }  # fmt: skip
        plan = {
            "format": 1, "run": run, "app": "shop", "environment": "development",
            "procedure": "check", "title": "Check", "by": "somebody", "machine": "here",
            "project": str(project), "release": None, "previous": None, "configuration": {},
            "phases": [phase], "t_zero": clock().now(), "on_no_go": "rollback",
            "not_configured": [], "preempts": False,
        }  # fmt: skip
        journal.append(run, "planned", {"plan": plan})
        journal.append(run, "ended", {"outcome": "ok"})


def took(command: list[str], project: Path) -> float:
    """Milliseconds from the start of a process to its end."""
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    milliseconds = (time.perf_counter() - begun) * 1000
    if done.returncode != 0:
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr}")
    return milliseconds


def processor_seconds() -> float:
    """What the processes that ended so far have used: the same on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summary(values: list[float], times: dict[str, list[float]]) -> dict[str, float]:
    """Median and best in milliseconds, and the median against the two that are compared with."""
    median = statistics.median(values)
    return {
        "median_ms": round(median, 1),
        "best_ms": round(min(values), 1),
        "times_bare_python": round(median / statistics.median(times[BARE]), 2),
        "times_import_typer": round(median / statistics.median(times[TYPER]), 2),
    }


def table(about: dict[str, object], results: dict[str, dict[str, float]]) -> str:
    """The results as a page."""
    lines = [
        "# Start-up of the commands that only read",
        "",
        f"Median of {about['rounds']} whole processes each, taken in turn, with "
        f"{about['runs in the journal']} runs in the journal; Python {about['python']}, "
        f"{about['cores']} cores, load {about['load']} at the end. The goal is {GOAL_MS} ms on an "
        "idle machine.",
        "",
        "| Command | Median, ms | Best, ms | times bare Python | times `import typer` "
        "| Processor, ms |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for name, one in results.items():
        figures = " | ".join(str(value) for value in one.values())
        lines.append(f"| `{name}` | {figures} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

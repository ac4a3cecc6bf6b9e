"""`gonogo plan` prints every step with its command lines and leaves no trace, not even a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

FILE = """
app: shop
environments:
  development:
    engine: local
    build: [[make, all]]
    services:
      web: {command: [./serve, "--port", "${PORT}"], port: 4321, health: /health}
"""


def gonogo(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gonogo", *arguments],
        cwd=project,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def repository(folder: Path) -> Path:
    (folder / "gonogo.yml").write_text(FILE)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def test_the_plan_has_the_command_lines_and_nothing_is_touched(tmp_path: Path) -> None:
    project = repository(tmp_path)
    before = sorted(str(path) for path in project.rglob("*"))
    done = gonogo(project, "plan", "deploy")
    assert done.returncode == 0, done.stderr
    assert "make all" in done.stdout
    assert "./serve --port '${PORT}'" in done.stdout
    assert "Nothing was touched." in done.stdout
    assert sorted(str(path) for path in project.rglob("*")) == before


def test_the_plan_as_json_has_every_step_once(tmp_path: Path) -> None:
    project = repository(tmp_path)
    plan = json.loads(gonogo(project, "plan", "deploy", "--json").stdout)
    ids = [step["id"] for phase in plan["phases"] for step in phase["steps"]]
    assert len(ids) == len(set(ids))
    assert {"build", "launch:web", "switch:web", "record"} <= set(ids)


def test_uncommitted_changes_are_refused_outside_development(tmp_path: Path) -> None:
    project = repository(tmp_path)
    (project / "gonogo.yml").write_text(FILE + "    keep_releases: 3\n")
    done = gonogo(project, "plan", "deploy")
    assert (done.returncode, "uncommitted changes" in done.stderr) == (7, True)

"""`make demo`: every field of its report is as the demonstration promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo" / "demo.py"
LONGEST = 600.0


def test_the_demonstration_keeps_its_promises(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(DEMO), "--json"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [_outcome(line) for line in report["releases"]] == [
        ("deploy", "ok"),
        ("update", "ok"),
        ("migrate", "ok"),
        ("update", "rolled-back"),
        ("update", "ok"),
    ]
    assert report["requests"] > 1000
    assert report["failed"] == 0
    assert report["failed_of_bad_release"] > 0
    assert report["rolled_back"] is True
    assert report["resumed"] is True
    assert report["journal_verified"] is True
    assert report["left_running"] == 0
    assert 0 < report["seconds"] < LONGEST
    (record,) = tmp_path.glob("*/record.html")
    assert "rolled-back" in record.read_text()
    assert list(record.parent.iterdir()) == [record]


def _outcome(line: str) -> tuple[str, str]:
    procedure, _, outcome = line.split()
    return procedure, outcome

"""Real files in a folder."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from gonogo.checks.file import CHECK, Settings
from gonogo.model.evidence import Finding, Verdict

from .fakes import probe, scene


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "a file"
    path.write_text("one two three")
    path.chmod(0o640)
    os.utime(path, (time.time() - 7200,) * 2)
    return tmp_path


def look(folder: Path, **settings: Any) -> Finding:
    return probe(CHECK, scene(project=str(folder)), **settings)


@pytest.mark.parametrize(
    ("settings", "verdict", "said"),
    [
        ({"exists": True}, Verdict.PASS, "there, 13 bytes"),
        ({"exists": False}, Verdict.FAIL, "it is there"),
        ({"contains": "two"}, Verdict.PASS, ""),
        ({"contains": "four"}, Verdict.FAIL, "does not contain"),
        ({"mode": "640"}, Verdict.PASS, ""),
        ({"mode": "600"}, Verdict.FAIL, "its mode is 640, wanted at most 600"),
        ({"newer_than": "3h"}, Verdict.PASS, ""),
        ({"newer_than": "1h"}, Verdict.FAIL, "it is 2 hours old, wanted at most 1h"),
        ({"older_than": "1h"}, Verdict.PASS, ""),
        ({"older_than": "3h"}, Verdict.FAIL, "wanted at least 3h"),
        ({"min_size": 14}, Verdict.FAIL, "it has 13 bytes, wanted at least 14"),
    ],
)
def test_what_is_wanted(
    folder: Path, settings: dict[str, Any], verdict: Verdict, said: str
) -> None:
    finding = look(folder, path="a file", **settings)
    assert finding.verdict is verdict
    assert said in finding.found


def test_a_file_that_is_not_there(folder: Path) -> None:
    assert look(folder, path="nope", exists=False).verdict is Verdict.PASS
    assert look(folder, path="nope", exists=True).verdict is Verdict.FAIL
    assert look(folder, path="nope", contains="x").verdict is Verdict.FAIL


def test_settings_that_cannot_be() -> None:
    for wrong in ({"mode": "rw"}, {"newer_than": "soon"}, {"exists": False, "contains": "x"}):
        with pytest.raises(ValueError):
            Settings(path="a", **wrong)  # type: ignore[arg-type]

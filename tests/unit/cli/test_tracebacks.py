"""What Python would print and ignore goes to the log, or nowhere before there is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys
from gonogo.cli import tracebacks

class Falls:
    def __del__(self):
        raise ValueError("in the end")

tracebacks.keep_ignored()
if len(sys.argv) > 1:
    logging.basicConfig(filename=sys.argv[1])
fallen = Falls()
del fallen
"""


@pytest.mark.parametrize("logged", [True, False])
def test_nobody_sees_what_is_ignored(tmp_path: Path, logged: bool) -> None:
    log = tmp_path / "gonogo.log"
    command = [sys.executable, "-c", PROGRAM, *([str(log)] if logged else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert log.exists() == logged
    if logged:
        assert "ValueError: in the end" in log.read_text()

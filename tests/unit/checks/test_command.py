"""Commands in the project and in a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.checks.command import CHECK, Settings
from gonogo.model.configuration import Shell
from gonogo.model.evidence import Verdict
from gonogo.ports import Completed

from .fakes import NEW, FakeValues, FakeWorkshop, probe, scene


def test_the_exit_code_decides(tmp_path: Path) -> None:
    here = scene(project=str(tmp_path))
    assert probe(CHECK, here, run=("true",)).verdict is Verdict.PASS
    finding = probe(CHECK, here, run=Shell(shell="echo why; exit 3"))
    assert finding.verdict is Verdict.FAIL
    assert "code is 3, wanted 0" in finding.found
    assert finding.excerpt.strip() == "why"
    assert finding.where == "project: echo why; exit 3"


def test_conditions_over_what_it_says(tmp_path: Path) -> None:
    here = scene(project=str(tmp_path))
    says = Shell(shell="echo '{\"errors\": 2}'")
    assert probe(CHECK, here, run=says, expect=("json.errors < 3",)).verdict is Verdict.PASS
    assert probe(CHECK, here, run=says, expect=("json.errors < 2",)).verdict is Verdict.FAIL
    assert probe(CHECK, here, run=says, expect=("json.warnings < 2",)).verdict is Verdict.ERROR
    assert probe(CHECK, here, run=says, expect=("output contains errors",)).verdict is Verdict.PASS
    assert probe(CHECK, here, run=("false",), expect=("seconds < 9s",)).verdict is Verdict.FAIL
    assert probe(CHECK, here, run=("false",), expect=("code == 1",)).verdict is Verdict.PASS


def test_a_prepared_release_is_where_it_runs() -> None:
    workshop = FakeWorkshop(ids=(NEW.id,), answer=Completed(code=0, output="", seconds=1))
    finding = probe(CHECK, scene(workshop=workshop), run=("npm", "test"))
    assert finding.where == f"release {NEW.id}: npm test"
    assert workshop.ran == [(NEW.id, ("npm", "test"))]


def test_variables_reach_the_command_and_not_the_finding(tmp_path: Path) -> None:
    values = FakeValues({"TOKEN": "very-secret-token", "PORT": "4000"})
    here = scene(project=str(tmp_path), values=values, environment={"variables": {"PORT": "port"}})
    finding = probe(CHECK, here, run=Shell(shell="echo $PORT $TOKEN | tee out; exit 1"))
    assert "very-secret-token" in (tmp_path / "out").read_text()
    assert finding.excerpt.strip() == "4000 •••"


def test_long_output_keeps_its_end(tmp_path: Path) -> None:
    run = Shell(shell="i=0; while [ $i -lt 999 ]; do echo line $i; i=$((i+1)); done; exit 1")
    finding = probe(CHECK, scene(project=str(tmp_path)), run=run)
    assert len(finding.excerpt) == 2000
    assert finding.excerpt.endswith("line 998\n")


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError):
        Settings(run=("a",), expect=("code",))
    with pytest.raises(ValueError):
        Settings(run=("a",), timeout="never")  # type: ignore[arg-type]

"""Commands that only read must answer at once, so they never import what is slow to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("dbos", "httpx", "pydantic", "sqlalchemy")
CONFIGURATION = """\
app: shop
environments:
  development:
    engine: local
    development: true
    services:
      web: {command: [python, app.py], port: 31999, health: /}
    database: {sqlite: shop.db}
    checks:
      - {id: answers, http: {service: web, path: /, expect: [status == 200]}, run: after}
"""
PROGRAM = """\
import sys
from gonogo.cli.main import main
code = None
try:
    main()
except SystemExit as leaving:
    code = leaving.code
print(code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "status",
        "logs",
        "doctor",
        "runs",
        "show last",
        "backup list",
        "journal verify",
        "journal export",
    ],
)
def test_read_only_commands_import_nothing_slow(words: str, tmp_path: Path) -> None:
    (tmp_path / "gonogo.yml").write_text(CONFIGURATION)
    _record_a_run(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    code, *modules = done.stderr.splitlines()[-1].split()
    assert code in ("0", "None"), done.stderr
    assert "typer" in modules
    assert set(modules).isdisjoint(HEAVY)


def _record_a_run(project: Path) -> None:
    from gonogo.wiring import clock, find_site

    site = find_site(project, "development")
    plan = {
        "format": 1, "run": "check-1", "app": "shop", "environment": "development",
        "procedure": "check", "title": "Check", "by": "somebody", "machine": "here",
        "project": str(project), "release": None, "previous": None, "configuration": {},
        "phases": [], "t_zero": clock().now(), "on_no_go": "rollback", "not_configured": [],
        "preempts": False,
    }  # fmt: skip
    site.journal.append("check-1", "planned", {"plan": plan})
    site.journal.append("check-1", "ended", {"outcome": "ok"})

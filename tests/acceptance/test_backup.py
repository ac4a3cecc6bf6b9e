"""Copies that a person asks for, and what a cleanup removes: by the command line alone."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict

import pytest

from gonogo.model.release import Release
from gonogo.wiring import find_site

from .site import Ran, Site, Terminal

OK, FAILED, ROLLED_BACK, WAITING, REFUSED = 0, 1, 4, 6, 7
CHECKS = """\
checks:
  - {id: open, file: {path: closed, exists: false}, run: after}
"""

Build = Callable[..., Site]


@pytest.fixture(scope="module")
def site(build_for_all: Build) -> Site:
    """A site with a release that is live and three orders."""
    one = build_for_all(settings=CHECKS)
    one.deploy()
    return one


def totals(site: Site) -> list[int]:
    """What stands in the orders."""
    with closing(sqlite3.connect(site.project / "shop.db")) as database:
        return [total for (total,) in database.execute("SELECT total FROM orders ORDER BY id")]


def write(site: Site, total: int) -> None:
    """Change every order."""
    with closing(sqlite3.connect(site.project / "shop.db")) as database, database:
        database.execute("UPDATE orders SET total = ?", (total,))


def copies(site: Site) -> dict[str, dict[str, object]]:
    """The copies, as `backup list --json` gives them, by name."""
    listed = site.run("backup", "list", "--json").json()["copies"]
    return {one["name"]: one for one in listed}


def restore(site: Site, name: str, **more: object) -> Ran:
    """Put a copy back and never wait for a person."""
    return site.run("backup", "restore", name, "--confirm", name, "--no-wait", **more)  # type: ignore[arg-type]


@contextmanager
def closed(site: Site) -> Iterator[None]:
    """As long as this lasts, the team's check after a release fails."""
    path = site.project / "closed"
    path.touch()
    try:
        yield
    finally:
        path.unlink()


def test_a_named_backup_is_listed_verified_and_in_the_record(site: Site) -> None:
    ran = site.run("backup", "create", "--name", "pre-deployment")
    assert "pre-deployment: 0.1 MB, 4 rows in 2 tables, read back whole" in ran.output
    listed = copies(site)["pre-deployment"]
    live = site.live()
    assert live and listed["releases"] == [live["release"]["id"]]
    assert (listed["rows"], listed["schema"]) == ({"applied": 1, "orders": 3}, live["schema"])
    line = site.run("backup", "list").output.splitlines()[0]
    for part in ("pre-deployment", " old", "0.1 MB", "4 rows", live["release"]["id"], "verified"):
        assert part in line
    assert "pre-deployment is whole" in site.run("backup", "verify", "pre-deployment").output
    seen = site.run("backup", "verify", "pre-deployment", "--json").json()
    assert seen["verified"] > listed["verified"]
    assert (site.last_run().partition("-")[0], site.outcome()) == ("backup", "ok")
    assert "pre-deployment" in site.run("status").output
    assert site.run("status", "--json").json()["copy"]["verified"] == seen["verified"]


def test_without_a_name_it_is_called_like_its_run(site: Site) -> None:
    answer = site.run("backup", "create", "--json").json()
    assert (answer["outcome"], answer["exit_code"]) == ("ok", OK)
    assert answer["run"] in copies(site)


@pytest.mark.parametrize("name", ["taken", "before-2026-01-01.1", "safety-", "../x", "-x", "a b"])
def test_7_a_name_that_will_not_do(site: Site, name: str) -> None:
    if name == "taken":
        site.run("backup", "create", "--name", name)
    before = copies(site)
    ran = site.run("backup", "create", f"--name={name}", expect=REFUSED)
    assert "Next: " in ran.errors
    assert copies(site).keys() == before.keys()


def test_7_no_database_or_none_yet(build: Build) -> None:
    site = build(worker=False)
    assert "gonogo deploy" in site.run("backup", "create", expect=REFUSED).errors
    assert "gonogo backup create" in site.run("backup", "list").output
    path = site.project / "gonogo.yml"
    path.write_text(path.read_text().partition("    database:")[0])
    for words in (["list"], ["create"], ["verify", "x"], ["restore", "x"]):
        ran = site.run("backup", *words, expect=REFUSED)
        assert "has no database" in ran.errors and "Next: " in ran.errors


def test_1_a_copy_that_was_changed_or_is_not_there(site: Site) -> None:
    site.run("backup", "create", "--name", "spoilt")
    with open(site.target / "copies/spoilt.db", "r+b") as file:
        file.seek(5000)
        file.write(b"?")
    assert "sha256" in site.run("backup", "verify", "spoilt", expect=FAILED).errors
    assert "BROKEN" in site.run("backup", "list").output
    before = site.serving(), site.commands(), totals(site)
    ran = restore(site, "spoilt", expect=FAILED)
    assert "verify-copy" in ran.output and "sha256" in ran.output
    assert (site.serving(), site.commands(), totals(site)) == before, "nothing was stopped for it"
    assert "gonogo backup list" in site.run("backup", "verify", "nothing", expect=FAILED).errors
    site.run("backup", "prune", "--name", "spoilt", "--yes")


def test_7_a_restore_needs_the_copy_named_and_says_what_is_lost(site: Site) -> None:
    site.run("backup", "create", "--name", "monday")
    before = totals(site)
    for confirm in ([], ["--confirm", "wrong"]):
        ran = site.run("backup", "restore", "monday", *confirm, expect=REFUSED)
        assert "restoring loses what came after the copy: monday is " in ran.errors
        assert "4 rows in 2 tables" in ran.errors
        assert "gonogo backup restore monday development --confirm monday" in ran.errors
    assert "wrong" in ran.errors
    assert totals(site) == before


def test_0_a_restore_brings_the_data_back_and_the_release_serves(site: Site) -> None:
    write(site, 10)
    site.run("backup", "create", "--name", "ten")
    write(site, 99)
    number, live, before = site.serving(), site.live(), copies(site)
    ran = restore(site, "ten")
    assert "Done." in ran.output
    assert totals(site) == [10, 10, 10]
    assert (site.serving(), site.live(), site.holder()) == (number, live, None)
    safety = next(name for name in copies(site).keys() - before.keys() if "safety-" in name)
    with closing(sqlite3.connect(site.target / f"copies/{safety}.db")) as database:
        assert database.execute("SELECT DISTINCT total FROM orders").fetchall() == [(99,)]
    steps = [one["step"] for one in site.events("result", site.last_run())]
    order = ["verify-copy", "stop-writers:web", "safety-copy", "restore-database", "launch:web"]
    assert sorted(order, key=steps.index) == order and "open" in steps
    site.run("journal", "verify")


def test_7_a_copy_with_another_schema_is_for_a_rollback(build: Build) -> None:
    site = build(worker=False)
    site.deploy()
    first = site.live()
    site.run("backup", "create", "--name", "old")
    site.release(migrations=2)
    site.run("migrate")
    ran = site.run("backup", "restore", "old", "--confirm", "old", expect=REFUSED)
    assert first and first["release"]["id"] in ran.errors
    assert "--database restore --confirm old" in ran.errors
    with closing(sqlite3.connect(site.project / "shop.db")) as database:
        database.execute("CREATE TABLE drift (n INTEGER)")
    site.run("backup", "create", "--name", "drifted")
    write(site, 7)
    restore(site, "drifted")
    assert totals(site) == [2, 2, 2]


def test_4_what_cannot_be_restored_leaves_all_as_it_was(site: Site) -> None:
    """Somebody outside has the database open; nothing was changed, so nobody is asked."""
    write(site, 20)
    site.run("backup", "create", "--name", "twenty")
    write(site, 21)
    number = site.serving()
    with closing(sqlite3.connect(site.project / "shop.db")) as reader:
        reader.execute("SELECT count(*) FROM orders").fetchone()
        ran = restore(site, "twenty", expect=ROLLED_BACK)
    assert "in use" in ran.output
    assert totals(site) == [21, 21, 21]
    assert (site.serving(), site.holder()) == (number, None)


def test_6_undoing_a_restore_asks_and_puts_the_data_back(site: Site) -> None:
    write(site, 30)
    site.run("backup", "create", "--name", "thirty")
    write(site, 31)
    number = site.serving()
    with closed(site):
        ran = restore(site, "thirty", expect=WAITING)
    assert "gonogo approve" in ran.output
    assert totals(site) == [30, 30, 30]
    site.run("approve", "last", "allow:undo:restore-database")
    site.run("resume", "last", expect=ROLLED_BACK)
    assert totals(site) == [31, 31, 31]
    assert (site.serving(), site.holder()) == (number, None)


MOMENTS = [
    "after journal: result stop-writers:web",
    "after journal: started restore-database",
    "before journal: result restore-database",
    "after step: launch:web",
]


def test_a_restore_killed_anywhere_goes_on(build: Build) -> None:
    site = build(worker=False)
    site.deploy()
    write(site, 40)
    site.run("backup", "create", "--name", "forty")
    path = site.folder / "moments"
    restore(site, "forty", runner=True, variables={"MOMENTS": str(path)})
    names = path.read_text().splitlines()
    expected = site.snapshot()
    for moment in MOMENTS:
        write(site, 41)
        number = names.index(moment) + 1
        killed = restore(
            site, "forty", runner=True, variables={"KILL_AT": str(number)}, expect=None
        )
        assert killed.code == -signal.SIGKILL, killed.text
        assert "is not over" in site.run("backup", "create", expect=REFUSED).errors
        site.run("resume", "last")
        assert (site.outcome(), totals(site)) == ("ok", [40, 40, 40]), moment
        found = site.snapshot()
        assert {**found, "files": []} == {**expected, "files": []}, moment
    site.run("journal", "verify")


def test_cleanup_shows_then_removes_what_was_shown(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build(worker=False)
    monkeypatch.setenv("PATH", f"{site.programs}:{os.environ['PATH']}")
    site.deploy()
    site.run("backup", "create", "--name", "mine")
    for _ in range(3):
        site.release()
        site.run("update")
    assert "Nothing to remove." in site.run("cleanup").output
    path = site.project / "gonogo.yml"
    path.write_text(path.read_text().replace("keep_releases: 2", "keep_releases: 1"))
    live = site.live()
    manifests = sorted((site.target / "releases").glob("*.json"))
    spare = _leave_an_old_release(site)

    ran = site.run("cleanup", expect=REFUSED)
    assert f"release {spare}" in ran.output and " MB" in ran.output
    assert f"instance web--{spare}--1  running pid" in ran.output
    assert "copy before-" not in ran.output
    assert live and f"Stays: release {live['release']['id']}, which is live." in ran.output
    assert "Stays: copy mine of your own" in ran.output
    assert "Refused: nothing was removed\nNext: gonogo cleanup development --yes" in ran.errors
    answer = site.run("cleanup", "--json", expect=REFUSED).json()
    assert [one["what"] for one in answer["remove"]] == [
        f"release {spare}",
        f"instance web--{spare}--1",
    ]
    assert (site.target / f"releases/{spare}").is_dir()

    terminal = Terminal(site, ["cleanup"])
    terminal.until("Remove this? [y/N]")
    terminal.type("\n")
    assert terminal.end() == REFUSED
    assert (site.target / f"releases/{spare}").is_dir()
    terminal = Terminal(site, ["cleanup"])
    terminal.until("Remove this? [y/N]")
    terminal.type("y\n")
    assert terminal.end() == OK
    assert not (site.target / f"releases/{spare}").exists()
    assert len(list((site.target / "instances").glob("*.json"))) == 1
    assert site.last_run().startswith("cleanup-") and site.outcome() == "ok"
    assert sorted((site.target / "releases").glob("*.json")) == manifests
    assert "mine" in copies(site) and site.serving() == site.number
    assert "Nothing to remove." in site.run("cleanup", "--yes").output
    site.run("rollback")


def _leave_an_old_release(site: Site) -> str:
    """A good release that is older than all there are, with an instance that runs."""
    live = site.live()
    assert live
    old = Release(id="2020-01-01.1", commit=live["release"]["commit"])
    data = {**live, "release": asdict(old), "at": "2020-01-01T00:00:00+00:00"}
    releases = site.target / "releases"
    (releases / f"{old.id}.json").write_text(json.dumps(data))
    shutil.copytree(releases / live["release"]["id"], releases / old.id)
    scene = find_site(site.project, "development").scene(release=old)
    asyncio.run(scene.engine.launch("web", old, 1))
    return old.id


def test_copies_are_pruned_by_the_rule_or_by_name(site: Site) -> None:
    site.run("backup", "create", "--name", "kept")
    for age in (1, 2, 3, 4):
        _leave_a_copy(site, "kept", f"safety-{age}", age * 10**6)
    ran = site.run("backup", "prune", expect=REFUSED)
    shown = ran.output.partition("Stays")[0]
    assert "copy safety-4" in shown and "copy safety-3" in shown and "kept" not in shown
    site.run("backup", "prune", "--yes")
    left = copies(site)
    assert "kept" in left and not {"safety-3", "safety-4"} & left.keys()

    needed = next(name for name in left if name.startswith(("safety-", "replaced-", "failed-")))
    ran = site.run("backup", "prune", "--name", needed, "--yes", expect=REFUSED)
    assert "may be needed" in ran.errors
    ran = site.run("backup", "prune", "--name", "kept", expect=REFUSED)
    assert "gonogo backup prune development --name kept --yes" in ran.errors
    assert "kept" in copies(site)
    site.run("backup", "prune", "--name", "kept", "--yes")
    assert "kept" not in copies(site)
    site.run("backup", "prune", "--name", "kept", "--yes", expect=FAILED)


def _leave_a_copy(site: Site, source: str, name: str, age: float) -> None:
    """The same copy again, as if a run had made it that many seconds ago."""
    folder = site.target / "copies"
    (folder / f"{name}.db").write_bytes((folder / f"{source}.db").read_bytes())
    manifest = json.loads((folder / f"{source}.json").read_text())
    manifest |= {"name": name, "at": time.time() - age}
    (folder / f"{name}.json").write_text(json.dumps(manifest))

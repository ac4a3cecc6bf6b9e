"""Plans of the shipped procedures: in which order a failure would be undone, and for what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gonogo.app.start import defaults
from gonogo.config.procedures import load_procedure, shipped
from gonogo.core.plan import Circumstances, make_plan
from gonogo.model.configuration import Configuration, Database, Environment, Migrations, Service
from gonogo.model.plain import plain
from gonogo.model.plan import Plan
from gonogo.model.release import Manifest, Release
from gonogo.wiring import PackageCatalogue, Site

NEW = Release(id="2026-01-02.1", commit="b" * 40)
OLD = Release(id="2026-01-01.1", commit="a" * 40)


def configuration(services: dict[str, Service], *, online: bool = False) -> Configuration:
    database = Database(sqlite="app.db", migrations=Migrations(command=("migrate",), online=online))
    environment = Environment(name="development", services=services, database=database)
    return Configuration(app="shop", environments={"development": environment})


def plan(
    project: Path,
    name: str,
    *,
    new: Configuration | None = None,
    old: Configuration | None = None,
    overrides: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
) -> Plan:
    both = configuration({"web": Service(command=("serve",), port=4321)})
    new, old = new or both, old or both
    site = Site(project=project, configuration=new, environment=new.environments["development"])
    live = Manifest(
        release=OLD, run="r", by="aiko", at="2026-01-01T00:00:00+00:00", configuration=plain(old)
    )
    scene = site.scene(run="run-1", by="aiko", release=NEW, previous=live)
    options = {**defaults("run-1", 5.0), **(options or {})}
    return make_plan(
        load_procedure(name, overrides or {}),
        scene,
        PackageCatalogue(),
        Circumstances(run="run-1", by="aiko", machine="desk", options=options),
    )


def undone(made: Plan) -> list[str]:
    """What would be undone, in order, if the very last step failed."""
    return [
        f"{step.undo.use} {step.undo.settings.get('release', '')}".strip()
        for step in reversed(made.steps())
        if step.undo
    ]


def said(made: Plan) -> list[str]:
    """What all steps together would do."""
    return [operation.what for step in made.steps() for operation in step.operations]


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_procedure_can_be_planned_and_read_back(tmp_path: Path, name: str) -> None:
    made = plan(tmp_path, name)
    assert Plan.from_json(made.to_json()) == made


def test_an_update_is_undone_from_the_end(tmp_path: Path) -> None:
    assert undone(plan(tmp_path, "update")) == [
        "verified",
        "record previous",
        "launch previous",
        "switch previous",
        "retire new",
    ]


def test_offline_the_old_release_comes_back_only_after_its_data(tmp_path: Path) -> None:
    assert undone(plan(tmp_path, "migrate")) == [
        "verified",
        "record previous",
        "switch none",
        "retire new",
        "restore_database",
        "launch previous",
        "switch previous",
    ]


@pytest.mark.parametrize("name", ["restore", "rollback-database"])
def test_before_writers_run_on_the_data_again_these_are_put_back(tmp_path: Path, name: str) -> None:
    made = plan(tmp_path, name, options={"copy": "monthly"})
    assert [one for one in undone(made) if not one.startswith("record")] == [
        "switch none",
        "retire new",
        "restore_database",
        "launch previous",
        "switch previous",
    ]
    step = next(one for one in made.steps() if one.use == "restore_database")
    assert step.undo and step.undo.loses_data
    assert (step.settings["name"], step.undo.settings["name"]) == ("monthly", "safety-5")


@pytest.mark.parametrize("name", ["restore", "rollback-database"])
def test_a_copy_is_read_back_before_anything_is_stopped(tmp_path: Path, name: str) -> None:
    ids = [step.id for step in plan(tmp_path, name).steps()]
    order = ["verify-copy", "stop-writers:web", "safety-copy", "restore-database", "launch:web"]
    assert sorted(order, key=ids.index) == order


def test_a_backup_is_called_like_its_run_unless_it_is_named(tmp_path: Path) -> None:
    assert said(plan(tmp_path, "backup"))[0].startswith("copy app.db to run-1 ")
    named = plan(tmp_path, "backup", options={"name": "pre-deployment"})
    assert said(named)[0].startswith("copy app.db to pre-deployment ")


def test_a_cleanup_removes_what_was_shown(tmp_path: Path) -> None:
    only = ["release 2026-01-01.1", "copy before-2026-01-01.1"]
    assert said(plan(tmp_path, "cleanup", options={"only": only})) == [
        "remove release 2026-01-01.1",
        "remove copy before-2026-01-01.1",
    ]


def test_online_the_schema_stays_and_nothing_loses_data(tmp_path: Path) -> None:
    online = configuration({"web": Service(command=("serve",), port=4321)}, online=True)
    made = plan(tmp_path, "migrate", new=online)
    assert "restore_database" not in undone(made)
    assert not any(step.undo.loses_data for step in made.steps() if step.undo)


def test_a_service_that_the_new_release_no_longer_has_is_stopped(tmp_path: Path) -> None:
    web = {"web": Service(command=("serve",), port=4321)}
    old = configuration({**web, "worker": Service(command=("work",))})
    ids = [step.id for step in plan(tmp_path, "update", old=old).steps()]
    assert {"launch:worker", "switch:worker", "retire:worker"} <= set(ids)


def test_references_are_checked_before_anything_is_done(tmp_path: Path) -> None:
    """`variables` also runs where nothing is declared and the environment refers to something."""
    refers = configuration({"web": Service(command=("serve", "${TOKEN}"), port=4321)})
    assert "variables" not in [step.id for step in plan(tmp_path, "update").steps()]
    for name in ("check", "deploy", "update", "migrate"):
        assert plan(tmp_path, name, new=refers).steps()[0].id == "variables"


def test_a_sign_off_before_launch_is_waited_for(tmp_path: Path) -> None:
    ask = {"sign-off": "approver", "id": "approve-release"}
    wanted = {"update": {"before": {"launch": [ask]}}}
    launch = next(
        step
        for step in plan(tmp_path, "update", overrides=wanted).steps()
        if step.id == "launch:web"
    )
    assert launch.needs == ("approve-release",)


def test_everyone_is_every_channel(tmp_path: Path) -> None:
    services = {"web": Service(command=("serve",), port=4321)}
    told = replace(configuration(services), channels={"team": "x://", "boss": "y://"})
    made = plan(tmp_path, "emergency", new=told, options={"alarm": "fire"})
    alarms = [step for step in made.steps() if step.id.startswith("alarm")]
    assert [(step.id, step.use, step.title) for step in alarms] == [
        ("alarm:team", "team", "fire"),
        ("alarm:boss", "boss", "fire"),
    ]


def test_nobody_to_tell_is_said(tmp_path: Path) -> None:
    made = plan(tmp_path, "emergency")
    (alarm,) = (step for step in made.steps() if step.id == "alarm")
    assert "nobody is told" in alarm.skip


def test_an_emergency_preempts_stops_first_and_undoes_nothing(tmp_path: Path) -> None:
    made = plan(tmp_path, "emergency", options={"reason": "orders vanish"})
    assert (made.preempt, made.reason) == (True, "orders vanish")
    assert Plan.from_json(made.to_json()) == made
    assert undone(made) == []
    steps = [step.id for step in made.steps()]
    assert steps.index("stop-all:web") < steps.index("alarm") < steps.index("restore-database")


def test_an_emergency_without_the_database_leaves_it_alone(tmp_path: Path) -> None:
    made = plan(tmp_path, "emergency", options={"restore": False})
    left_out = {step.id for step in made.steps() if step.skip}
    assert {"verify-copy", "safety-copy", "restore-database"} <= left_out

"""What the engine sees against what is wanted."""

from __future__ import annotations

from dataclasses import replace

from gonogo.checks.process import CHECK
from gonogo.model.configuration import Service
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.target import Instance

from .fakes import NEW, OLD, OLD_MANIFEST, FakeEngine, FakeTarget, probe, scene


def instance(
    service: str, number: int = 1, state: str = "running", release: str = NEW.id
) -> Instance:
    return Instance(service=service, release=release, number=number, state=state, detail="up 5 s")


SERVICES = {"web": Service(port=1, instances=2), "worker": Service()}
WELL = [instance("web"), instance("web", 2), instance("worker")]


def look(instances: list[Instance], **settings: object) -> Finding:
    whole = scene(environment={"services": SERVICES}, engine=FakeEngine(instances))
    return probe(CHECK, whole, **settings)


def test_all_there() -> None:
    assert look(WELL).verdict is Verdict.PASS


def test_too_few() -> None:
    finding = look([instance("web"), instance("web", 2, "failed"), instance("worker")])
    assert finding.verdict is Verdict.FAIL
    assert finding.found.startswith("web: 1 of 2 running (web--2026-12-01.1--2 failed (up 5 s))")
    assert "worker: 0 of 1 running (none there)" in look(WELL[:2]).found


def test_of_another_release() -> None:
    old = [instance("web", release=OLD.id), instance("web", 2, release=OLD.id)]
    assert look([*old, instance("worker")]).verdict is Verdict.FAIL
    finding = look([*WELL, *old])
    assert finding.verdict is Verdict.WARN
    assert OLD.id in finding.found
    assert look([*old, instance("worker", release=OLD.id)], release="previous").verdict is (
        Verdict.PASS
    )


def test_one_that_ended_and_was_started_again_is_a_warning() -> None:
    again = replace(WELL[0], restarts=2, detail="up 5 s, restarted 2 times")
    finding = look([again, *WELL[1:]])
    assert finding.verdict is Verdict.WARN
    assert "web--2026-12-01.1--1 running (up 5 s, restarted 2 times)" in finding.found
    assert look([replace(one, restarts=0) for one in WELL]).verdict is Verdict.PASS


def test_only_some_services() -> None:
    assert look([instance("worker")], services=("worker",)).verdict is Verdict.PASS
    assert look(WELL, services=("nope",)).verdict is Verdict.ERROR


def test_without_a_release_the_live_one_is_meant() -> None:
    whole = scene(
        environment={"services": {"worker": Service()}},
        release=None,
        target=FakeTarget(OLD_MANIFEST),
        engine=FakeEngine([instance("worker", release=OLD.id)]),
    )
    assert probe(CHECK, whole).verdict is Verdict.PASS

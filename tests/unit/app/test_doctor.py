"""What doctor makes of what it sees, above all when little can be seen."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from gonogo.app.doctor import Report, examine
from gonogo.app.doctor_looks import DAY
from gonogo.cli.doctor import show_doctor
from gonogo.model.configuration import Configuration, Database, Environment, Migrations, Service
from gonogo.model.diagnosis import Diagnosis, Part, State
from gonogo.model.errors import ExitCode, PermanentError, TemporaryError
from gonogo.model.log import Log
from gonogo.model.procedure import Hold
from gonogo.model.release import Manifest, Release
from gonogo.model.target import Copy, Holder, Instance
from gonogo.targets.files import this_worker
from gonogo.wiring import Site, clock

LIVE = Manifest(
    release=Release(id="r1", commit="a" * 40),
    run="deploy-1",
    by="aiko",
    at="2026-01-01T00:00:00+00:00",
    schema="abcd1234",
    good=True,
)
RUNS = Instance(service="worker", release="r1", number=1, state="running")
OK = Diagnosis(about="docker", state=State.OK, seen="it answers")
DOWN = Diagnosis(about="docker", state=State.PROBLEM, seen="docker does not answer", next="look")


class World:
    """Everything a scene has, each part as a test wants it."""

    def __init__(self) -> None:
        self.ground_found: Sequence[Diagnosis] = [OK]
        self.parts_found: Sequence[Part] = []
        self.instances: Sequence[Instance] = [RUNS]
        self.manifest: Manifest | None = LIVE
        self.held: Holder | None = None
        self.made: Sequence[Copy] = ()
        self.schema: Any = "abcd1234"
        self.routes: dict[str, list[str]] = {}
        self.asked_pending = 0

    async def ground(self) -> Sequence[Diagnosis]:
        return self.ground_found

    async def parts(self) -> Sequence[Part]:
        return self.parts_found

    async def log(self, part: Any, lines: int) -> Log:
        return Log.of("it says token-12345678")

    async def observe(self) -> Any:
        return self.instances

    async def live(self) -> Manifest | None:
        return self.manifest

    async def manifests(self) -> Sequence[Manifest]:
        return []

    async def holder(self) -> Holder | None:
        return self.held

    async def copies(self) -> Sequence[Copy]:
        return self.made

    async def fingerprint(self) -> str:
        if isinstance(self.schema, Exception):
            raise self.schema
        return str(self.schema)

    async def pending(self, release: Release, say: Any) -> Sequence[str]:
        self.asked_pending += 1
        return ["0002_more"]

    async def places(self) -> Sequence[str]:
        return ()

    async def settled(self, service: str) -> bool:
        return True

    async def url(self, service: str) -> str:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return f"http://127.0.0.1:{one.getsockname()[1]}"


class FakeSite(Site):
    """A site of which the world is made up."""

    world: World

    def scene(self, **_: Any) -> Any:
        from gonogo.hosts.local import LocalHost

        async def routes() -> dict[str, list[str]]:
            return self.world.routes

        database = self.environment.database
        return SimpleNamespace(
            environment=self.environment,
            project=str(self.project),
            release=None,
            values=self.values(),
            host=LocalHost(),
            clock=clock(),
            say=lambda line: None,
            which=lambda name: None,
            inspector=self.world,
            engine=self.world,
            target=self.world,
            lock=self.world,
            workshop=self.world,
            database=self.world if database else None,
            migrator=self.world if database and database.migrations else None,
            proxy=SimpleNamespace(observe=routes, settled=self.world.settled, url=self.world.url),
        )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSite:
    monkeypatch.setattr(FakeSite, "world", World(), raising=False)
    (tmp_path / ".env").write_text("TOKEN=token-12345678\n")
    (tmp_path / ".env").chmod(0o600)
    environment = Environment(
        name="production", services={"worker": Service()}, env_files=(".env",)
    )
    configuration = Configuration(app="shop", environments={"production": environment})
    return FakeSite(project=tmp_path, configuration=configuration, environment=environment)


def with_database(site: FakeSite, **more: Any) -> FakeSite:
    return replace(site, environment=replace(site.environment, database=Database(**more)))


def seen(site: FakeSite) -> dict[str, Diagnosis]:
    return {one.about: one for one in asyncio.run(examine(site)).findings}


def test_all_is_well(site: FakeSite) -> None:
    report = asyncio.run(examine(site))
    assert {one.about: one.state for one in report.findings} == dict.fromkeys(
        ["docker", "what runs", "release", "services", "disk", "variables", "lock"], State.OK
    )
    assert report.exit_code is ExitCode.OK


def test_without_its_engine_the_rest_is_looked_at_and_nothing_passes_for_ok(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def does_not_answer(*_: Any) -> Any:
        raise TemporaryError(DOWN.seen, next_step=DOWN.next)

    site.world.ground_found = [DOWN]
    monkeypatch.setattr(World, "observe", does_not_answer)
    monkeypatch.setattr(World, "places", does_not_answer)
    found = seen(site)
    assert found["docker"].state is State.PROBLEM
    assert found["services"].state is State.UNKNOWN
    assert (found["services"].seen, found["services"].next) == (DOWN.seen, DOWN.next)
    assert found["disk"].state is State.UNKNOWN
    for about in ("release", "disk of the project", "variables", "lock"):
        assert found[about].state is State.OK
    assert asyncio.run(examine(site)).exit_code is ExitCode.NO_GO


def test_what_does_not_run_is_shown_with_its_last_lines_without_secrets(site: FakeSite) -> None:
    site.world.parts_found = [
        Part(name="shop-worker--r1--1", service="worker", state="failed", instance=RUNS.name),
        Part(name="db", service="db", state="missing"),
        Part(name="cache-1", service="cache", state="running", restarts=2, look="docker logs c"),
        Part(name="full-1", service="full", state="running", memory=95, limit=100),
        Part(name="well-1", service="well", state="running", cpu=1.0, memory=10**7),
    ]
    found = seen(site)
    worker = found["shop-worker--r1--1"]
    assert (worker.state, worker.lines) == (State.PROBLEM, ["it says •••"])
    assert worker.next == "gonogo logs worker -e production -n 100"
    assert (found["db"].state, found["db"].next) == (State.PROBLEM, "gonogo start production")
    assert (found["cache-1"].state, found["cache-1"].next) == (State.WARNING, "docker logs c")
    assert found["full-1"].state is State.WARNING
    assert found["what runs"].seen.startswith("1 others run")


def test_before_the_first_deployment_nothing_is_missing(site: FakeSite) -> None:
    site.world.manifest, site.world.instances = None, []
    site.world.parts_found = [Part(name="db", service="db", state="missing")]
    found = seen(with_database(site, sqlite="x.db"))
    assert found["release"].next == "gonogo plan deploy production"
    assert {one.state for one in found.values()} == {State.OK}


def test_traffic_that_goes_elsewhere_and_a_service_that_does_not_answer(site: FakeSite) -> None:
    web = Instance(service="web", release="r1", number=1, state="running", address="web:1")
    site = replace(site, environment=replace(site.environment, services={"web": Service(port=1)}))
    site.world.instances = [web]
    traffic = seen(site)["traffic of web"]
    assert (traffic.state, traffic.next) == (State.PROBLEM, "gonogo start production")
    assert traffic.seen == "goes to nobody, and of the live release there is web:1"
    site.world.routes = {"web": ["web:1"]}
    traffic = seen(site)["traffic of web"]
    assert traffic.state is State.PROBLEM
    assert traffic.seen == "/ through the proxy: connection refused"


def test_the_schema(site: FakeSite) -> None:
    site = with_database(site, sqlite="x.db")
    assert seen(site)["schema"].state is State.OK
    site.world.schema = "ffff0000"
    assert seen(site)["schema"].state is State.WARNING
    site.world.schema = PermanentError("file is not a database", next_step="look")
    assert (seen(site)["database"].state, seen(site)["database"].next) == (State.UNKNOWN, "look")


def test_the_age_of_the_newest_copy(site: FakeSite) -> None:
    site = with_database(site, sqlite="x.db")
    assert seen(site)["backup"].state is State.WARNING
    now = clock().now()
    copy = Copy(name="c", at=now - 60, size=1, sha256="", fingerprint="", rows={}, verified=now)
    for changed, state in (
        (copy, State.OK),
        (replace(copy, at=now - 2 * DAY), State.WARNING),
        (replace(copy, verified=0.0), State.PROBLEM),
    ):
        site.world.made = [changed]
        assert seen(site)["backup"].state is state


def holder(worker: str, mode: Hold = Hold.HOLD) -> Holder:
    now = clock().now()
    return Holder(
        run="update-7", person="aiko", machine="desk", worker=worker, mode=mode,
        since=now, beat=now, until=now + 100, epoch=3,
    )  # fmt: skip


def test_whoever_holds_the_environment(site: FakeSite) -> None:
    machine, boot, pid, _ = this_worker().rsplit("/", 3)
    dead = f"{machine}/{boot}/{pid}/1"
    for held, state in (
        (holder(this_worker()), State.OK),
        (holder(dead), State.PROBLEM),
        (holder(dead, Hold.RESERVE), State.WARNING),
        (holder("elsewhere/boot/1/2"), State.UNKNOWN),
    ):
        site.world.held = held
        assert seen(site)["lock"].state is state
    site.world.held = holder(dead)
    assert seen(site)["lock"].next == "gonogo resume update-7, or gonogo abort update-7"


def test_migrations_are_not_asked_for_while_somebody_may_be_migrating(site: FakeSite) -> None:
    migrations = Migrations(command=("migrate",), pending=("pending",))
    site = with_database(site, sqlite="x.db", migrations=migrations)
    site.journal.append(
        "deploy-1", "result", {"verdict": "pass", "found": "applied 1"}, step="migrate"
    )
    found = seen(site)["migrations"]
    assert (found.state, found.next) == (State.PROBLEM, "gonogo plan migrate production")
    assert [line.partition(" deploy-1")[2] for line in found.lines] == [": pass, applied 1"]
    site.world.held, site.world.asked_pending = holder(this_worker()), 0
    assert seen(site)["migrations"].state is State.UNKNOWN
    assert site.world.asked_pending == 0
    site.world.held = None
    unsaid = with_database(site, sqlite="x.db", migrations=Migrations(command=("migrate",)))
    assert seen(unsaid)["migrations"].state is State.WARNING


def test_a_look_that_fails_is_unknown_and_stops_no_other(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(World, "places", fails)
    found = seen(site)
    assert found["disk"].state is State.UNKNOWN
    assert "ZeroDivisionError" in found["disk"].seen
    assert found["lock"].state is State.OK


def test_a_configuration_that_cannot_be_used_is_the_finding(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any, **_: Any) -> Any:
        raise TemporaryError("there is no env file .env", next_step="write it")

    monkeypatch.setattr(FakeSite, "scene", broken)
    [found] = asyncio.run(examine(site)).findings
    assert (found.state, found.next) == (State.PROBLEM, "write it")


def test_what_is_shown(site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    site.world.parts_found = [
        Part(name="web[1]", service="web", state="failed", cpu=1.0, memory=10**6)
    ]
    assert show_doctor(site, Console(width=200), json=False) is ExitCode.NO_GO
    shown = capsys.readouterr().out
    assert "  web[1]  failed  1.0 %  1.0 MB" in shown
    assert "✘ web[1]                 failed\n      it says •••\n" in shown
    assert "1 problem · 6 ok. Nothing was touched." in shown
    show_doctor(site, Console(), json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["exit_code"] == 3
    assert answer["findings"][1]["state"] == "problem"
    assert answer["parts"][0]["name"] == "web[1]"


def test_a_warning_alone_fails_nothing() -> None:
    warned = Diagnosis(about="backup", state=State.WARNING, seen="old")
    assert Report(findings=[OK, warned]).exit_code is ExitCode.OK

"""Which lines a person sees of the logs, and how errors compare between releases."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gonogo.app.log_summary import compare
from gonogo.app.logs import MOST, Wanted, entries, fitting
from gonogo.cli.logs import show_logs, show_summary, wanted
from gonogo.model.configuration import Configuration, Environment, Service
from gonogo.model.errors import Refused
from gonogo.model.log import Level, Line, Log
from gonogo.model.release import Manifest, Release
from gonogo.model.target import Instance
from gonogo.wiring import Site

NEW, OLD = "2026-01-02.1", "2026-01-01.1"
LIVE = Manifest(
    release=Release(id=NEW, commit="a" * 40), run="r", by="aiko", at="2026-01-02T00:00:00+00:00"
)


@dataclass
class FakeEngine:
    """Instances that run, those that are gone, and the logs by name."""

    there: Sequence[Instance] = ()
    gone: Sequence[Instance] = ()
    logs: Mapping[str, Log] = field(default_factory=dict)

    async def observe(self) -> Sequence[Instance]:
        return self.there

    async def retired(self) -> Sequence[Instance]:
        return self.gone

    async def log(self, instance: Instance, lines: int) -> Log:
        return self.logs.get(instance.name, Log())


class FakeSite(Site):
    """A site whose engine is a fake one."""

    engine = FakeEngine()
    live: Manifest | None = LIVE

    def scene(self, **_: Any) -> Any:
        async def live() -> Manifest | None:
            return self.live

        async def manifests() -> Sequence[Manifest]:
            return ()

        target = SimpleNamespace(live=live, manifests=manifests)
        return SimpleNamespace(engine=self.engine, target=target)


def one(service: str, release: str = NEW, number: int = 1, state: str = "running") -> Instance:
    return Instance(service=service, release=release, number=number, state=state)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSite:
    monkeypatch.setattr(FakeSite, "engine", FakeEngine())
    services = {"web": Service(instances=2), "worker": Service()}
    environment = Environment(name="production", services=services, env_files=(".env",))
    (tmp_path / ".env").write_text("TOKEN=12345678\n")
    configuration = Configuration(app="shop", environments={"production": environment})
    return FakeSite(project=tmp_path, configuration=configuration, environment=environment)


def log(*lines: str | tuple[float, str], cut: bool = False) -> Log:
    pairs = [(None, line) if isinstance(line, str) else line for line in lines]
    return Log(lines=[Line(at=at, text=text) for at, text in pairs], cut=cut)


MIXED = log((100.0, "INFO a"), (200.0, "ERROR b"), (200.0, "  at b"), (300.0, "WARN c"))


def test_level_and_time_and_pattern_choose_lines_and_the_last_ones_are_shown() -> None:
    def texts(**more: Any) -> list[str]:
        return [entry.text for entry in fitting(entries(MIXED), Wanted(**more))]

    assert texts(level=Level.ERROR) == ["ERROR b", "  at b"]
    assert texts(level=Level.WARNING) == ["ERROR b", "  at b", "WARN c"]
    assert texts(since=250.0) == ["WARN c"]
    assert texts(pattern=re.compile("b$")) == ["ERROR b", "  at b"]
    assert texts(lines=1) == ["WARN c"]
    assert texts(lines=0) == []
    assert len(texts(lines=None)) == 4


def test_a_line_without_a_time_has_that_of_the_one_before() -> None:
    found = entries(log("head", "2026-01-01T00:00:10Z x", "more", (5.0, "y")))
    assert [entry.at for entry in found] == [1767225610.0, 1767225610.0, 1767225610.0, 5.0]


def test_more_is_read_when_only_some_lines_are_wanted() -> None:
    assert Wanted(lines=7).read == 7
    assert {Wanted(lines=7, level=Level.ERROR).read, Wanted(lines=None).read} == {MOST}


def test_options_that_cannot_be_are_refused(site: FakeSite) -> None:
    good: dict[str, Any] = {"lines": None, "grep": "", "level": None, "since": ""}
    for name, value in (("grep", "("), ("since", "soon")):
        with pytest.raises(Refused):
            wanted(site, None, **{**good, name: value})
    with pytest.raises(Refused, match="no service 'nope'"):
        wanted(site, "nope", **good)
    assert wanted(site, None, **good).lines == 50
    assert wanted(site, None, **{**good, "since": "10m"}).lines is None


def test_what_is_not_known_is_said(site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    site.engine.there = [one("web"), one("worker")]
    site.engine.logs = {
        one("web").name: log("a line"),
        one("worker").name: log((500.0, "a line"), cut=True),
    }
    show_logs(site, Wanted(since=100.0, lines=None), follow=False, json=False)
    shown = capsys.readouterr()
    assert shown.out.count("a line") == 2
    assert "web--2026-01-02.1--1: its lines have no times" in shown.err
    assert "worker--2026-01-02.1--1: what it wrote before 1970-01-01" in shown.err
    show_logs(site, Wanted(level=Level.ERROR), follow=False, json=False)
    assert capsys.readouterr().err == "None of the 2 lines that were looked at fits.\n"


def test_with_since_the_instances_that_are_gone_are_looked_at_too(
    site: FakeSite, capsys: pytest.CaptureFixture[str]
) -> None:
    site.engine.there, site.engine.gone = [one("web")], [one("web", OLD, state="stopped")]
    site.engine.logs = {one("web", OLD).name: log((200.0, "ERROR old")), one("web").name: MIXED}
    show_logs(site, Wanted(since=150.0, level=Level.ERROR), follow=False, json=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == {
        "instance": f"web--{OLD}--1",
        "line": "ERROR old",
        "at": 200.0,
        "level": "error",
    }
    assert [row["line"] for row in rows[1:]] == ["ERROR b", "  at b"]


def test_errors_of_the_live_release_are_compared_with_those_of_the_one_before(
    site: FakeSite, capsys: pytest.CaptureFixture[str]
) -> None:
    site.engine.there = [one("web"), one("web", number=2), one("worker")]
    site.engine.gone = [one("web", OLD, 2, "stopped")]
    site.engine.logs = {
        one("web", OLD).name: log("ERROR no answer in 7 ms", "fine"),
        one("web", OLD, 2).name: log("ERROR no answer in 9 ms", cut=True),
        one("web").name: log((100.0, "ERROR order 17 failed")),
        one("web", number=2).name: log((160.0, "ERROR order 18 failed, token 12345678")),
    }
    release, [web, worker] = asyncio.run(compare(site, None))
    assert release == NEW
    assert web.before and web.after
    assert web.before.messages == {"no answer in # ms": 2}
    assert (web.before.lines, web.before.errors, web.before.cut) == (3, 2, True)
    assert web.after.messages == {"order # failed": 1, "order # failed, token •••": 1}
    assert (web.after.begin, web.after.end) == (100.0, 160.0)
    assert worker.before is None
    assert worker.after and worker.after.lines == 0
    show_summary(site, None, json=False)
    shown = capsys.readouterr().out
    assert "2 errors in 3 lines (66.7%) of 2026-01-01.1; earlier lines are not kept" in shown
    assert "  before  no log of it is kept, so nothing is known" in shown
    assert re.search(r"0 → 1 +new +order # failed\n", shown)
    assert re.search(r"2 → 0 +no answer", shown)
    assert "12345678" not in shown
    assert "Next: gonogo logs web -e production --level error" in shown
    show_summary(site, "worker", json=True)
    [row] = json.loads(capsys.readouterr().out)["services"]
    assert (row["service"], row["before"], row["after"]["errors"]) == ("worker", None, 0)


def test_without_a_live_release_there_is_nothing_to_compare(site: FakeSite) -> None:
    cast(Any, FakeSite).live = None
    try:
        with pytest.raises(Refused, match="nothing was deployed yet"):
            asyncio.run(compare(site, None))
    finally:
        cast(Any, FakeSite).live = LIVE

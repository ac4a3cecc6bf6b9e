"""What is hidden, while env files change and releases differ in which they have."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gonogo.app.logs import Wanted
from gonogo.cli.logs import show_logs
from gonogo.model.configuration import Configuration, Environment, Service
from gonogo.model.plain import plain
from gonogo.model.redaction import MASK
from gonogo.model.release import Manifest, Release
from gonogo.wiring import Site

OLD = Release(id="2026-01-01.1", commit="a" * 40)


def configured(env_file: str) -> Configuration:
    environment = Environment(
        name="development", services={"web": Service()}, env_files=(env_file,)
    )
    return Configuration(app="shop", environments={"development": environment})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site whose secrets are in `.env`."""
    (tmp_path / ".env").write_text("TOKEN=the-first-one\n")
    configuration = configured(".env")
    environment = configuration.environments["development"]
    return Site(project=tmp_path, configuration=configuration, environment=environment)


@pytest.fixture
def old(site: Site) -> Manifest:
    """A release that had its secrets in `.env.old`."""
    (site.project / ".env.old").write_text("TOKEN=the-old-one\n")
    return Manifest(
        release=OLD,
        run="deploy-1",
        by="aiko",
        at="2026-01-01T00:00:00+00:00",
        configuration=plain(configured(".env.old")),
    )


def test_a_secret_that_changes_in_a_run_is_hidden_and_so_is_the_former_one(site: Site) -> None:
    site.journal.append("run-1", "planned", {})
    (site.project / ".env").write_text("TOKEN=the-second-one\n")
    assert site.values().text("${TOKEN}") == "the-second-one"
    said = {"found": "the-first-one the-second-one"}
    event = site.journal.append("run-1", "result", said)
    assert event.body == {"found": f"{MASK} {MASK}"}


def test_the_same_site_for_another_release_hides_with_the_same_redactor(
    site: Site, old: Manifest
) -> None:
    assert site.redactor.text("the-old-one") == "the-old-one"
    replace(site, configuration=site.configuration).hide(old)
    assert site.redactor.text("the-old-one") == MASK


def test_an_env_file_that_is_gone_hides_nothing_and_stops_nothing(
    site: Site, old: Manifest
) -> None:
    (site.project / ".env.old").unlink()
    site.hide(old)
    assert site.redactor.text("the-first-one") == MASK


def test_the_log_of_an_earlier_release_is_shown_without_that_ones_secrets(
    site: Site, old: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(site.scene().target.keep(old, live=True))
    logs = site.project / ".gonogo/target/development/logs"
    logs.mkdir()
    (logs / f"web--{OLD.id}--1.log").write_text("the-old-one, the-first-one\n")
    show_logs(site, Wanted(lines=10), follow=False, json=False)
    assert capsys.readouterr().out == f"web--{OLD.id}--1 | {MASK}, {MASK}\n"

"""A rollback replays the manifest: plain values of that release, today's secrets, its own build."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .site import Site

NO_GO, REFUSED = 1, 7
SETTINGS = """\
env_files: [.env]
variables: {LEVEL: integer, API_KEY: {secret: {min_length: 8}}}
"""
OLD, NEW = "first-secret-value", "second-secret-value"

Build = Callable[..., Site]


@pytest.fixture
def site(build: Build) -> Site:
    """Two releases, between which a plain value and a secret changed."""
    one = build(settings=SETTINGS, worker=False)
    _write(one, level=1, key=OLD)
    one.deploy()
    one.release()
    _write(one, level=2, key=NEW)
    one.run("update")
    return one


def _write(site: Site, *, level: int, key: str) -> None:
    path = site.project / ".env"
    path.write_text(f"LEVEL={level}\nAPI_KEY={key}\n")
    path.chmod(0o600)


def _environment(site: Site) -> dict[str, str]:
    """That of the web process that runs."""
    running = [pid for pid, line in site.processes() if line.endswith("app.py web ")]
    assert len(running) == 1
    words = Path(f"/proc/{running[0]}/environ").read_text().split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)


def test_plain_values_come_back_and_secrets_do_not(site: Site) -> None:
    assert (_environment(site)["LEVEL"], _environment(site)["API_KEY"]) == ("2", NEW)
    manifest = site.live()
    assert manifest is not None
    assert manifest["variables"]["LEVEL"] == "2"
    assert set(manifest["secrets"]) == {"API_KEY"}
    assert NEW not in str(manifest)
    ran = site.run("rollback")
    assert "API_KEY changed; today's are used" in ran.text
    assert OLD not in ran.text
    assert (_environment(site)["LEVEL"], _environment(site)["API_KEY"]) == ("1", NEW)


def test_a_build_that_is_gone_is_made_again_unless_told(site: Site) -> None:
    before = site.live()
    first = sorted((site.target / "releases").glob("*.json"))[0].stem
    shutil.rmtree(site.target / "releases" / first)
    ran = site.run("rollback", "--images", expect=None)
    assert ran.code in (NO_GO, REFUSED), ran.text
    assert "without --images it is built again from commit" in ran.text
    assert (site.live(), site.serving()) == (before, 2)
    ran = site.run("rollback")
    assert f"built {first}" in ran.text
    assert site.serving() == 1

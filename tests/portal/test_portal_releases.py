"""The releases are made the same way each time, and each does what it says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

Releases = dict[str, Path]


def _make(root: Path, directory: Path) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, str(root / "make_releases.py"), str(directory)],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split() for line in done.stdout.splitlines())


def _git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, tools: Any) -> Path:
    directory = tmp_path_factory.mktemp("releases") / "repository"
    _make(tools.root, directory)
    return directory


@pytest.fixture(scope="module")
def releases(repository: Path) -> Releases:
    found = {}
    for tag in ("v1", "v2", "v3", "bad"):
        found[tag] = repository.parent / tag
        _git(repository, "worktree", "add", "--quiet", str(found[tag]), tag)
    return found


def _migrate(tools: Any, release: Path, database: str) -> str:
    done = tools.run("portal.migrate", cwd=release, DATABASE_URL=database)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def _pending(tools: Any, release: Path, database: str) -> list[str]:
    done = tools.run("portal.migrate", "--pending", cwd=release, DATABASE_URL=database)
    assert done.returncode == 0, done.stderr
    return str(done.stdout).splitlines()


def test_repository_is_reproducible(repository: Path, tmp_path: Path, tools: Any) -> None:
    commits = _make(tools.root, tmp_path / "again")
    assert list(commits) == ["v1", "v2", "v3", "bad"]
    for tag, commit in commits.items():
        assert _git(repository, "rev-parse", tag) == commit


def test_repository_layout(repository: Path) -> None:
    assert _git(repository, "rev-parse", "bad~1") == _git(repository, "rev-parse", "v3")
    assert _git(repository, "rev-parse", "main") == _git(repository, "rev-parse", "v1")
    assert _git(repository, "symbolic-ref", "--short", "HEAD") == "main"
    assert _git(repository, "status", "--porcelain") == ""
    for tag, version in {"v1": "1", "v2": "2", "v3": "3", "bad": "bad"}.items():
        assert _git(repository, "show", f"{tag}:VERSION") == version
        names = _git(repository, "ls-tree", "--name-only", tag).splitlines()
        assert not {"releases", "make_releases.py", "README.md"} & set(names)


def test_full_directory_is_refused(tmp_path: Path, tools: Any) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(subprocess.CalledProcessError):
        _make(tools.root, tmp_path)


def test_pending_migrations(releases: Releases, database: str, tmp_path: Path, tools: Any) -> None:
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    assert _pending(tools, releases["v3"], empty) == ["0001_initial", "0002_order_notes"]
    assert _pending(tools, releases["v2"], database) == []
    assert _pending(tools, releases["v3"], database) == ["0002_order_notes"]
    assert _migrate(tools, releases["v3"], database) == "applied 0002_order_notes\n"
    assert _migrate(tools, releases["v3"], database) == ""
    assert _pending(tools, releases["v3"], database) == []


def test_failed_migration_leaves_nothing(releases: Releases, tmp_path: Path, tools: Any) -> None:
    release = tmp_path / "release"
    shutil.copytree(releases["v1"], release, ignore=shutil.ignore_patterns(".git"))
    broken = release / "migrations" / "0002_broken.sql"
    broken.write_text("CREATE TABLE half (id TEXT);\nCREATE TABLE;\n")
    database = f"sqlite:///{tmp_path / 'portal.db'}"
    done = tools.run("portal.migrate", cwd=release, DATABASE_URL=database)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    broken.write_text("CREATE TABLE half (id TEXT);\n")
    assert _migrate(tools, release, database) == "applied 0002_broken\n"
    broken.write_text("CREATE TABLE other (id TEXT);\n")
    changed = tools.run("portal.migrate", cwd=release, DATABASE_URL=database)
    assert changed.returncode == 1
    assert "was changed" in changed.stderr


def test_release_is_not_ready_before_its_migration(
    releases: Releases, start: Any, database: str, tools: Any
) -> None:
    backend = start("portal.backend", releases["v3"], "/health", DATABASE_URL=database)
    tools.wait_until(lambda: "0002_order_notes" in httpx.get(f"{backend.url}/ready").text)
    _migrate(tools, releases["v3"], database)
    tools.wait_until(lambda: tools.answers(f"{backend.url}/ready"))


def test_releases_1_to_3_on_one_database(
    releases: Releases, start: Any, database: str, tools: Any
) -> None:
    first = start("portal.backend", releases["v1"], DATABASE_URL=database)
    second = start("portal.backend", releases["v2"], DATABASE_URL=database)
    _migrate(tools, releases["v3"], database)
    third = start("portal.backend", releases["v3"], DATABASE_URL=database)
    with first.signed_in() as client:
        cookies = dict(client.cookies)
    for version, backend in (("1", first), ("2", second), ("3", third)):
        with httpx.Client(base_url=backend.url, cookies=cookies) as client:
            expected = {"version": version, "schema": "0002_order_notes"}
            assert client.get("/version").json() == expected
            assert ("total" in client.get("/invoices").json()) == (version != "1")
            order = client.post("/orders", json={"product": "vpn", "note": "Ring twice"})
            assert order.status_code == 201
            assert order.json().get("note") == ("Ring twice" if version == "3" else None)


def test_pages_of_release_3(releases: Releases, start: Any, database: str, tools: Any) -> None:
    _migrate(tools, releases["v3"], database)
    backend = start("portal.backend", releases["v3"], DATABASE_URL=database)
    frontend = start("portal.frontend", releases["v3"], BACKEND_URL=backend.url)
    with httpx.Client(base_url=frontend.url, follow_redirects=True) as browser:
        account = {"email": "customer1@example.com", "password": tools.password}
        assert browser.post("/login", data=account).status_code == 200
        assert "Total to pay: \u00a51,980" in browser.get("/invoices").text
        ordered = browser.post("/orders", data={"product": "vpn", "note": "<b>Ring</b>"})
        assert "&lt;b&gt;Ring&lt;/b&gt;" in ordered.text


def test_bad_release_fails_every_tenth_request(
    releases: Releases, start: Any, database: str, tools: Any
) -> None:
    _migrate(tools, releases["v3"], database)
    backend = start("portal.backend", releases["bad"], DATABASE_URL=database)
    paths = ("/dashboard", "/invoices", "/catalogue", "/subscriptions")
    with backend.signed_in() as client:
        statuses = [client.get(paths[number % 4]).status_code for number in range(60)]
        health = [client.get("/health").status_code for _ in range(20)]
    assert [number for number, status in enumerate(statuses, 1) if status == 500] == [
        10, 20, 30, 40, 50, 60
    ]  # fmt: skip
    assert set(statuses) == {200, 500}
    assert set(health) == {200}


def test_build(releases: Releases, tmp_path: Path) -> None:
    release = tmp_path / "release"
    shutil.copytree(releases["v2"], release, ignore=shutil.ignore_patterns(".git"))
    command = [sys.executable, "build.py"]
    subprocess.run(command, cwd=release, check=True, capture_output=True)
    manifest = json.loads((release / "build" / "manifest.json").read_text())
    assert manifest["version"] == "2"
    assert "portal/backend.py" in manifest["files"]
    assert not any("__pycache__" in name for name in manifest["files"])
    (release / "portal" / "broken.py").write_text("def broken(:\n")
    done = subprocess.run(command, cwd=release, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "broken.py" in done.stdout + done.stderr

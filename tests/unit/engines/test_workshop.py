"""GitWorkshop with real git and real builds."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from killing import killed_at

from gonogo.engines.folder_maker import FolderMaker
from gonogo.engines.workshop import MARKER, GitWorkshop
from gonogo.hosts.local import LocalHost
from gonogo.model.configuration import Build, Command, Duration, Shell
from gonogo.model.errors import NotFound, PermanentError, Refused, TemporaryError
from gonogo.model.release import Release
from gonogo.model.secret import Secret


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


class Yard:
    """A repository with a project in it, and a root to make releases under."""

    def __init__(self, folder: Path, sub: str = "") -> None:
        self.repository = folder / "repository"
        self.project = self.repository / sub
        self.project.mkdir(parents=True)
        self.root = folder / "root"
        git(self.repository, "init", "-q")
        (self.project / "app.py").write_text("one\n")
        (self.project / ".gitignore").write_text("ignored\n")
        (self.repository / "outside.txt").write_text("outside\n")
        self.first = commit(self.repository, "one")
        (self.project / "app.py").write_text("two\n")
        self.second = commit(self.repository, "two")

    def workshop(self, *commands: Command, timeout: str = "20s") -> GitWorkshop:
        maker = FolderMaker(
            LocalHost(),
            Build(commands=commands, timeout=Duration(timeout)),
            lambda release: {"TOKEN": Secret("hunter2"), "RELEASE": release},
            {"project": str(self.project)},
        )
        return GitWorkshop(LocalHost(), str(self.root), str(self.project), maker)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.root / "releases"))


def prepare(workshop: GitWorkshop, release: Release) -> tuple[bool, list[str]]:
    said: list[str] = []
    return asyncio.run(workshop.prepare(release, said.append)), said


def prepared(workshop: GitWorkshop) -> Sequence[str]:
    return asyncio.run(workshop.prepared())


@pytest.fixture(params=["", "services/app"], ids=["top", "subfolder"])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Yard:
    return Yard(tmp_path, request.param)


@pytest.fixture
def plain(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def test_a_commit_is_exported_and_built_once(yard: Yard) -> None:
    workshop = yard.workshop(
        ("sh", "-c", "cat app.py > built"), Shell(shell="echo $RELEASE >> built")
    )
    release = Release(id="2026-12-01.1", commit=yard.first)
    assert prepared(workshop) == []
    made, said = prepare(workshop, release)
    folder = yard.root / "releases" / release.id
    assert made and (folder / "built").read_text() == "one\n2026-12-01.1\n"
    assert (folder / "outside.txt").exists() == (yard.project == yard.repository)
    assert not (folder / ".git").exists()
    assert said[1:] == ["$ sh -c 'cat app.py > built'", "$ echo $RELEASE >> built"]
    assert prepare(workshop, release) == (False, [])
    assert prepared(workshop) == [release.id] == yard.names()
    marker = json.loads((folder / MARKER).read_text())
    assert marker == {"id": release.id, "commit": yard.first, "dirty": False}


def test_the_size_of_a_release_is_that_of_its_files_and_what_was_made(plain: Yard) -> None:
    """Links count as such, whatever they lead to."""
    workshop = plain.workshop(Shell(shell="head -c 100000 /dev/zero > big && ln -s big link"))
    release = Release(id="2026-12-01.1", commit=plain.first)
    assert asyncio.run(workshop.size(release.id)) == 0
    prepare(workshop, release)
    assert 100_000 < asyncio.run(workshop.size(release.id)) < 101_000


def test_the_working_tree_is_copied_for_a_dirty_release(yard: Yard) -> None:
    (yard.project / "app.py").write_text("changed\n")
    (yard.project / 'new é "q"\n.txt').write_text("new\n")
    (yard.project / "ignored").write_text("no\n")
    (yard.project / ".gitignore").unlink()
    (yard.project / ".gitignore").symlink_to("app.py")
    (yard.project / "gone").write_text("")
    git(yard.repository, "add", "-A")
    (yard.project / "gone").unlink()
    git(yard.repository, "config", "core.excludesFile", str(yard.repository / ".git" / "no"))
    (yard.repository / ".git" / "no").write_text("ignored\n")
    git(yard.repository, "rm", "-q", "--cached", "-f", str(yard.project / "ignored"))
    prepare(yard.workshop(), Release(id="d", commit=yard.second, dirty=True))
    folder = yard.root / "releases" / "d"
    assert (folder / "app.py").read_text() == "changed\n"
    assert (folder / 'new é "q"\n.txt').read_text() == "new\n"
    assert os.readlink(folder / ".gitignore") == "app.py"
    assert not (folder / "ignored").exists() and not (folder / "gone").exists()


def test_releases_under_the_project_are_not_copied_into_releases(plain: Yard) -> None:
    plain.root = plain.project / "state"
    workshop = plain.workshop()
    prepare(workshop, Release(id="d1", commit=plain.second, dirty=True))
    prepare(workshop, Release(id="d2", commit=plain.second, dirty=True))
    assert not (plain.root / "releases" / "d2" / "state").exists()


def test_programs_that_know_their_own_place_work_after_the_build(plain: Yard) -> None:
    build = Shell(shell="printf '#!/bin/sh\\ncat %s/app.py\\n' \"$PWD\" > tool; chmod +x tool")
    workshop = plain.workshop(build)
    release = Release(id="r", commit=plain.first)
    prepare(workshop, release)
    done = asyncio.run(workshop.run(release, ("./tool",), timeout=9, say=lambda line: None))
    assert (done.code, done.output) == (0, "one\n")


def test_a_failing_build_leaves_nothing_and_says_why(plain: Yard) -> None:
    bad = Shell(shell="mkdir -p deep/er; chmod 500 deep; seq 1 30; echo no compiler >&2; exit 4")
    with pytest.raises(PermanentError, match="no compiler") as failure:
        prepare(plain.workshop(("true",), bad, ("touch", "never")), Release(id="r", commit="HEAD"))
    assert "ended with 4" in failure.value.message and "\n9\n" not in failure.value.message
    assert plain.names() == []
    assert prepare(plain.workshop(), Release(id="r", commit="HEAD"))[0] is True


def test_a_build_that_takes_too_long_leaves_nothing(plain: Yard) -> None:
    with pytest.raises(TemporaryError):
        prepare(plain.workshop(("sleep", "30"), timeout="300ms"), Release(id="r", commit="HEAD"))
    assert plain.names() == []


def test_a_cancelled_build_leaves_nothing(plain: Yard) -> None:
    async def scene() -> None:
        workshop = plain.workshop(("sleep", "30"))
        lines: list[str] = []
        release = Release(id="r", commit="HEAD")
        work = asyncio.create_task(workshop.prepare(release, lines.append))
        while "$ sleep 30" not in lines:
            await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(scene())
    assert plain.names() == []


@pytest.mark.parametrize("name", ["no-such-commit", "--output=/tmp/x", "f" * 40])
def test_an_unknown_commit_is_named(plain: Yard, name: str) -> None:
    with pytest.raises(PermanentError):
        prepare(plain.workshop(), Release(id="r", commit=name))
    assert plain.names() == []


def test_a_project_without_git_is_an_error(plain: Yard, tmp_path: Path) -> None:
    plain.project = tmp_path / "elsewhere"
    plain.project.mkdir()
    with pytest.raises(PermanentError, match="git rev-parse failed"):
        prepare(plain.workshop(), Release(id="r", commit="HEAD"))


@pytest.mark.parametrize("name", ["../r", "", ".r", "a/b", "r.partial"])
def test_ids_that_are_no_folder_names_are_refused(plain: Yard, name: str) -> None:
    with pytest.raises(PermanentError, match="not a release id"):
        prepare(plain.workshop(), Release(id=name, commit="HEAD"))


def test_an_id_is_never_used_for_another_commit(plain: Yard) -> None:
    prepare(plain.workshop(), Release(id="r", commit=plain.first))
    with pytest.raises(PermanentError, match="was made from commit"):
        prepare(plain.workshop(), Release(id="r", commit=plain.second))


def test_a_link_that_leads_out_of_the_release_is_not_exported(plain: Yard) -> None:
    (plain.project / "link").symlink_to("/etc/passwd")
    bad = commit(plain.repository, "link")
    with pytest.raises(PermanentError, match="not exported"):
        prepare(plain.workshop(), Release(id="r", commit=bad))
    assert plain.names() == []


def test_a_full_disk_is_noticed_before(plain: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gonogo.engines.workshop.SPACE", 10**18)
    with pytest.raises(Refused, match="MB are free"):
        prepare(plain.workshop(), Release(id="r", commit="HEAD"))
    assert plain.names() == []


def test_so_is_that_of_where_images_are_kept(
    plain: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop, images = plain.workshop(), tmp_path / "images"
    images.mkdir()

    async def places(self: FolderMaker) -> Sequence[Path]:
        return [images, tmp_path / "not-there"]

    def usage(path: str) -> SimpleNamespace:
        return SimpleNamespace(free=10**6 if path == str(images) else 10**12)

    monkeypatch.setattr(FolderMaker, "places", places)
    monkeypatch.setattr("gonogo.engines.workshop.shutil.disk_usage", usage)
    with pytest.raises(Refused, match=f"MB are free in {images}") as refused:
        prepare(workshop, Release(id="r", commit="HEAD"))
    assert refused.value.next_step.startswith("gonogo cleanup")
    assert plain.names() == []


def test_commands_run_in_the_release_with_its_variables(plain: Yard) -> None:
    workshop, release = plain.workshop(), Release(id="r", commit=plain.first)
    with pytest.raises(NotFound):
        asyncio.run(workshop.run(release, ("true",), timeout=9, say=lambda line: None))
    prepare(workshop, release)
    command = Shell(shell='cat app.py; echo "$TOKEN $RELEASE"; ps -eo args | grep -c "[h]unter2"')
    done = asyncio.run(workshop.run(release, command, timeout=9, say=lambda line: None))
    assert done.output == "one\nhunter2 r\n0\n"


def test_current_is_switched_and_read_back(plain: Yard) -> None:
    workshop = plain.workshop()
    for name in ("a", "b"):
        prepare(workshop, Release(id=name, commit=plain.first))
        asyncio.run(workshop.publish(name))
        assert os.readlink(plain.root / "current") == f"releases/{name}"
    with pytest.raises(NotFound):
        asyncio.run(workshop.publish("c"))
    assert (plain.root / "current" / "app.py").read_text() == "one\n"
    (plain.root / "current").unlink()
    (plain.root / "current").mkdir()
    with pytest.raises(PermanentError, match="cannot be made"):
        asyncio.run(workshop.publish("a"))
    assert sorted(os.listdir(plain.root)) == ["current", "releases"]


def test_remove_takes_everything_away(plain: Yard) -> None:
    build = Shell(shell="mkdir -p a/b; touch a/b/c; ln -s /etc a/etc; chmod 400 a/b; chmod 500 a")
    workshop = plain.workshop(build)
    prepare(workshop, Release(id="r", commit=plain.first))
    asyncio.run(workshop.remove("r"))
    asyncio.run(workshop.remove("r"))
    assert plain.names() == [] and Path("/etc").stat().st_mode & 0o777 == 0o755


def test_folders_gonogo_did_not_make_are_left_alone(plain: Yard) -> None:
    (plain.root / "releases" / "mine").mkdir(parents=True)
    prepare(plain.workshop(), Release(id="r", commit="HEAD"))
    assert plain.names() == ["mine", "r"]
    with pytest.raises(PermanentError, match="did not make it"):
        prepare(plain.workshop(), Release(id="mine", commit="HEAD"))


def test_describe_names_what_will_run(plain: Yard) -> None:
    workshop = plain.workshop(("make", "all files"), Shell(shell="a | b"))
    release = Release(id="r", commit="abc")
    assert [each.what for each in workshop.describe(release)] == [
        "git archive abc to releases/r",
        "make 'all files'",
        "a | b",
    ]


def test_killed_at_any_step_a_release_is_whole_or_not_there(plain: Yard) -> None:
    release, workshop = Release(id="r", commit=plain.first), plain.workshop(("touch", "built"))
    prepare(workshop, Release(id="old", commit=plain.first))
    folder, event = plain.root / "releases" / "r", 1
    while killed_at(event, plain.root, lambda: prepare(workshop, release)):
        if "r" in prepared(workshop):
            assert (folder / "built").exists() and (folder / "app.py").read_text() == "one\n"
            asyncio.run(workshop.remove("r"))
        event += 1
    assert event > 10 and prepared(workshop) == ["old", "r"]
    prepare(workshop, Release(id="next", commit=plain.first))
    assert plain.names() == ["next", "old", "r"]


def test_killed_while_switching_current_is_the_old_or_the_new(plain: Yard) -> None:
    workshop = plain.workshop()
    for name in ("a", "b"):
        prepare(workshop, Release(id=name, commit=plain.first))
    asyncio.run(workshop.publish("a"))
    event, seen = 1, []
    while killed_at(event, plain.root, lambda: asyncio.run(workshop.publish("b"))):
        seen.append(os.readlink(plain.root / "current"))
        event += 1
    assert set(seen) <= {"releases/a", "releases/b"} and event > 1
    assert os.readlink(plain.root / "current") == "releases/b"

"""FileTarget on the local machine: consistent whenever it is killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from killing import killed_at

from gonogo.hosts.local import LocalHost
from gonogo.model.errors import PermanentError, Refused
from gonogo.model.release import Manifest, Release
from gonogo.targets.files import FileTarget


def manifest(
    release_id: str, *, at: str = "2026-12-01T10:00:00+01:00", by: str = "ann"
) -> Manifest:
    release = Release(id=release_id, commit="a" * 40, subject="é")
    return Manifest(release=release, run="r", by=by, at=at, secrets={"KEY": "hash"})


def target(root: Path) -> FileTarget:
    return FileTarget(LocalHost(), str(root))


def test_an_empty_target_has_nothing(tmp_path: Path) -> None:
    empty = target(tmp_path / "none")
    assert asyncio.run(empty.manifests()) == []
    assert asyncio.run(empty.live()) is None


def test_kept_manifests_come_back_newest_first(tmp_path: Path) -> None:
    async def scene() -> None:
        files = target(tmp_path)
        for number in (2, 10, 9, 1):
            await files.keep(manifest(f"2026-12-01.{number}"), live=number == 9)
        await files.keep(manifest("2026-11-30.7", at="2026-12-02T00:00:00+00:00"), live=False)
        (tmp_path / "releases" / "2026-12-01.9").mkdir()
        ids = [each.release.id for each in await files.manifests()]
        assert ids == ["2026-11-30.7", *(f"2026-12-01.{n}" for n in (10, 9, 2, 1))]
        assert await files.live() == manifest("2026-12-01.9")

    asyncio.run(scene())


def test_the_live_one_is_not_forgotten(tmp_path: Path) -> None:
    async def scene() -> None:
        files = target(tmp_path)
        await files.keep(manifest("1"), live=True)
        await files.keep(manifest("2"), live=True)
        with pytest.raises(Refused, match="2 is live"):
            await files.forget("2")
        await files.forget("1")
        await files.forget("1")
        assert [each.release.id for each in await files.manifests()] == ["2"]
        await files.clear()
        assert await files.live() is None
        await files.forget("2")
        assert await files.manifests() == []

    asyncio.run(scene())


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b", "-rf"])
def test_ids_that_are_no_file_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PermanentError, match="not a release id"):
        asyncio.run(target(tmp_path).keep(manifest(name), live=True))


def test_damaged_state_is_an_error_and_not_an_empty_target(tmp_path: Path) -> None:
    asyncio.run(target(tmp_path).keep(manifest("1"), live=True))
    file = tmp_path / "releases" / "1.json"
    whole = file.read_text()
    for content in ("", whole[:50], "[]", '{"release": {}}'):
        file.write_text(content)
        with pytest.raises(PermanentError, match=r"1\.json"):
            asyncio.run(target(tmp_path).live())
    file.unlink()
    with pytest.raises(PermanentError, match="manifest is missing"):
        asyncio.run(target(tmp_path).live())


def test_no_absolute_path_and_no_secret_lies_on_the_target(tmp_path: Path) -> None:
    asyncio.run(target(tmp_path).keep(manifest("1"), live=True))
    text = "".join(file.read_text() for file in tmp_path.rglob("*.json"))
    assert str(tmp_path) not in text
    assert json.loads((tmp_path / "live.json").read_text()) == {"release": "1"}


def test_killed_at_any_moment_the_old_or_the_new_release_is_live(tmp_path: Path) -> None:
    asyncio.run(target(tmp_path).keep(manifest("1"), live=True))
    event, lives = 1, []
    while killed_at(
        event, tmp_path, lambda: asyncio.run(target(tmp_path).keep(manifest("2"), live=True))
    ):
        live = asyncio.run(target(tmp_path).live())
        assert live in (manifest("1"), manifest("2"))
        kept = asyncio.run(target(tmp_path).manifests())
        assert live in kept and manifest("1") in kept
        lives.append(live.release.id if live else "")
        event += 1
        asyncio.run(target(tmp_path).keep(manifest("1"), live=True))
    assert asyncio.run(target(tmp_path).live()) == manifest("2")
    assert {"1", "2"} <= set(lives)


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = asyncio.run(target(tmp_path).key())
    assert len(first) == 64
    assert asyncio.run(target(tmp_path).key()) == first
    assert (tmp_path / "hash.key").stat().st_mode & 0o777 == 0o600
    assert asyncio.run(target(tmp_path / "other").key()) != first

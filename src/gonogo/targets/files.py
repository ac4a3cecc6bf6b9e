"""The state on the target as JSON files: which releases there are, which one is live.

`releases/<id>.json` is a release's manifest, `live.json` names the live one, `lock/` says who holds
the environment, `hash.key` is the key of the hashes in manifests. Everything goes through the Host,
so the same files serve any laptop.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gonogo.model.errors import PermanentError, Refused
from gonogo.model.event import Anchor
from gonogo.model.release import Manifest
from gonogo.ports import Clock, Host, Lock, Target
from gonogo.targets._flags import FileFlags
from gonogo.targets._lock import FileLock
from gonogo.targets._state import list_names, read_json, safe_name, to_bytes
from gonogo.targets._worker import this_worker, worker_alive

__all__ = ["FileLock", "FileTarget", "state", "this_worker", "worker_alive"]


class FileTarget:
    """Manifests under root on a host."""

    def __init__(self, host: Host, root: str) -> None:
        self._host = host
        self._root = root

    async def manifests(self) -> Sequence[Manifest]:
        """All kept releases, newest first."""
        names = await list_names(self._host, f"{self._root}/releases")
        ids = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        found = [await self._manifest(each) for each in ids]
        kept = [manifest for manifest in found if manifest is not None]
        return sorted(kept, key=_age, reverse=True)

    async def live(self) -> Manifest | None:
        """The release now live."""
        release_id = await self._live_id()
        if release_id is None:
            return None
        manifest = await self._manifest(release_id)
        if manifest is None:
            raise PermanentError(
                f"live.json names release {release_id}, but its manifest is missing",
                next_step=f"put back {self._root}/releases/{release_id}.json",
            )
        return manifest

    async def keep(self, manifest: Manifest, *, live: bool) -> None:
        """Write a manifest and, if live, make it the live one.

        The manifest is written first: killed between the two, the former release is still the live
        one and the new manifest only lies beside it. The write of `live.json` is the atomic step.
        """
        release_id = safe_name(manifest.release.id)
        await self._host.write(self._path(release_id), to_bytes(manifest.to_json()))
        if await self._manifest(release_id) != manifest:
            raise PermanentError(f"the manifest of {release_id} reads back differently")
        if live:
            content = to_bytes({"release": release_id})
            await self._host.write(f"{self._root}/live.json", content)
            if await self._live_id() != release_id:
                raise PermanentError(f"live.json does not name {release_id} after it was written")

    async def clear(self) -> None:
        """No release is live any more; manifests stay."""
        await self._host.remove(f"{self._root}/live.json")

    async def anchor(self) -> Anchor | None:
        """The journal head kept last."""
        data = await read_json(self._host, f"{self._root}/anchor.json")
        return Anchor(**data) if data else None

    async def keep_anchor(self, anchor: Anchor) -> None:
        """Keep the head of the journal of whoever worked here last."""
        await self._host.write(f"{self._root}/anchor.json", to_bytes(asdict(anchor)))

    async def forget(self, release_id: str) -> None:
        """Remove a manifest. Refused for the live one."""
        if await self._live_id() == release_id:
            raise Refused(
                f"release {release_id} is live", next_step="deploy or roll back to another first"
            )
        await self._host.remove(self._path(safe_name(release_id)))

    async def key(self) -> bytes:
        """The key of the hashes in manifests. It is made here once and never leaves."""
        path = f"{self._root}/hash.key"
        await self._host.write(path, secrets.token_hex(32).encode(), exclusive=True)
        key = await self._host.read(path)
        if not key:
            raise PermanentError(f"{path} is empty", next_step=f"rm {path}")
        return key

    def _path(self, release_id: str) -> str:
        return f"{self._root}/releases/{release_id}.json"

    async def _manifest(self, release_id: str) -> Manifest | None:
        path = self._path(release_id)
        data = await read_json(self._host, path)
        if data is None:
            return None
        try:
            return Manifest.from_json(data)
        except (KeyError, TypeError):
            raise PermanentError(f"{path} is not a manifest this gonogo can read") from None

    async def _live_id(self) -> str | None:
        data = await read_json(self._host, f"{self._root}/live.json")
        return None if data is None else safe_name(str(data.get("release", "")))


def state(host: Host, root: str, clock: Clock) -> dict[str, Any]:
    """All that is kept under root, by the names it has in a Scene."""
    return {
        "target": FileTarget(host, root),
        "lock": FileLock(host, root, clock, worker_alive),
        "flags": FileFlags(host, root),
    }


def _age(manifest: Manifest) -> tuple[float, str, int]:
    """By the manifest's time; within one second by id, whose counter is a number."""
    try:
        at = datetime.fromisoformat(manifest.at).timestamp()
    except ValueError:
        at = 0.0
    day, _, counter = manifest.release.id.rpartition(".")
    return at, day, int(counter) if counter.isdigit() else 0


FITS: type[Target] = FileTarget
LOCK_FITS: type[Lock] = FileLock

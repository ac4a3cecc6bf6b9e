"""The flags that were set, in one JSON file on the target: they outlive every release."""

from __future__ import annotations

from collections.abc import Mapping

from gonogo.model.flag import FlagValue
from gonogo.ports import Flags, Host
from gonogo.targets._state import read_json, to_bytes


class FileFlags:
    """`flags.json` under root on a host (ports.Flags)."""

    def __init__(self, host: Host, root: str) -> None:
        self._host = host
        self._path = f"{root}/flags.json"

    async def all(self) -> Mapping[str, FlagValue]:
        """Every flag that somebody has set, by its name."""
        data = await read_json(self._host, self._path) or {}
        return {name: FlagValue.from_json(one) for name, one in data.items()}

    async def keep(self, name: str, value: FlagValue | None) -> None:
        """Write one; None: it was never set."""
        flags = {one: known.to_json() for one, known in (await self.all()).items() if one != name}
        if value:
            flags[name] = value.to_json()
        await self._host.write(self._path, to_bytes(flags))


FITS: type[Flags] = FileFlags

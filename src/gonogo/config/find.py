"""Where the project is: the folder with gonogo.yml, here or above."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from gonogo.model.errors import BadConfiguration

FILE = "gonogo.yml"


def find_project(start: Path) -> Path:
    """The nearest folder from start upwards that holds gonogo.yml. BadConfiguration if none."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder
    error = BadConfiguration([f"there is no {FILE} in {start} or any folder above it"])
    error.next_step = "gonogo init"
    raise error


def default_environment(names: Collection[str]) -> str | None:
    """The environment meant when none is named: the only one, or development."""
    if len(names) == 1:
        return next(iter(names))
    return "development" if "development" in names else None

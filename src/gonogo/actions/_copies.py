"""How the copies of the database are called, and what is said of one."""

from __future__ import annotations

from gonogo.model.size import megabytes
from gonogo.model.target import Copy, copy_before
from gonogo.ports import Scene


def copy_name(given: str, scene: Scene) -> str:
    """The name given, else the one of the copy that this run makes before it touches anything."""
    return given or copy_before(scene.release.id if scene.release else scene.run)


def seen(copy: Copy) -> str:
    """What was found when a copy was read back."""
    return (
        f"{copy.name}: {megabytes(copy.size)}, {sum(copy.rows.values())} rows in "
        f"{len(copy.rows)} tables, read back whole"
    )

"""How the copies of the database are called."""

from __future__ import annotations

from gonogo.ports import Scene

MADE_BY_RUNS = ("before-", "failed-", "replaced-", "safety-")
"""How the names of the copies begin that gonogo makes by itself."""


def copy_before(release_id: str) -> str:
    """The copy made before a release changes anything."""
    return f"before-{release_id}"


def copy_name(given: str, scene: Scene) -> str:
    """The name given, else the one of the copy that this run makes before it touches anything."""
    return given or copy_before(scene.release.id if scene.release else scene.run)

"""How the copies of the database are called."""

from __future__ import annotations

from gonogo.ports import Scene


def copy_name(given: str, scene: Scene) -> str:
    """The name given, else the one of the copy that this run makes before it touches anything."""
    return given or f"before-{scene.release.id if scene.release else scene.run}"

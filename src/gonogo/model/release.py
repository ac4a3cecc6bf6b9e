"""A release is a git commit, its build, and the configuration it ran with, kept as a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gonogo.model.plain import plain


@dataclass(frozen=True, kw_only=True)
class Release:
    """What is being released. id is `2026-12-01.1`: the day and a counter on that day."""

    id: str
    commit: str
    subject: str = ""
    dirty: bool = False

    @property
    def label(self) -> str:
        """The release as a person reads it: id, short commit, subject."""
        subject = f' "{self.subject}"' if self.subject else ""
        return f"{self.id} ({self.commit[:7]}{'+changes' if self.dirty else ''}{subject})"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a release ran with, as it lies on the target.

    configuration holds references, not secrets; secrets holds a keyed hash per secret, so that a
    rollback can name those that changed. schema is the database's fingerprint after the release;
    database_copy names the copy made before it migrated. good is true once the release was
    verified: only good releases count for retention and as a place to roll back to.
    """

    release: Release
    run: str
    by: str
    at: str
    configuration: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    schema: str = ""
    database_copy: str = ""
    good: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return plain(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Manifest:
        """The inverse of to_json."""
        return Manifest(**{**data, "release": Release(**data["release"])})


def way_back(live: Manifest, kept: Sequence[Manifest]) -> Manifest | None:
    """Where a rollback goes unless told: the newest good release before the live one.

    kept has the newest first.
    """
    for one in kept:
        if one.release.id != live.release.id and one.good and one.at <= live.at:
            return one
    return None

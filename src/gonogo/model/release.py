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

    configuration holds references, not secrets. variables are the plain values it was released
    with, which a rollback uses again; secrets holds a keyed hash per secret, so that a rollback,
    which uses today's, can name those that changed. contents says what it consists of: the id of
    each image, the SHA-256 of each compose file. traffic has the addresses the proxy sent each
    service's requests to. schema_before and schema are the database's fingerprints before and after
    the release; database_copy names the copy made before it migrated. good is true once the release
    was verified: only good releases count for retention and as a place to roll back to.
    """

    release: Release
    run: str
    by: str
    at: str
    configuration: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    traffic: dict[str, list[str]] = field(default_factory=dict)
    schema_before: str = ""
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


def last_good(kept: Sequence[Manifest], schema: str = "") -> Manifest | None:
    """The newest release that was verified; with schema, of those that ran on it.

    kept has the newest first.
    """
    fitting = (one for one in kept if one.good and schema in ("", one.schema))
    return next(fitting, None)


def way_back(live: Manifest, kept: Sequence[Manifest]) -> Manifest | None:
    """Where a rollback goes unless told: the newest good release before the live one.

    kept has the newest first.
    """
    for one in kept:
        if one.release.id != live.release.id and one.good and one.at <= live.at:
            return one
    return None

"""A file: there or not, what it contains, who may read it, how old and how large it is.

Serves P15 for files that are not env files, P80 and P82 where a file shows it (a log that is
rotated, a copy that is recent). Looks through the host; relative paths start in the project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.checks._judge import error, undecided
from gonogo.checks._stat import Status, in_project, status
from gonogo.model.configuration import Duration
from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, failed, passed
from gonogo.model.plan import Operation
from gonogo.ports import Check, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is wanted of the file. Everything but `exists: false` wants it to be there.

    mode is the most that is allowed, such as "600". newer_than and older_than are lengths of time.
    """

    path: str = ""
    exists: bool | None = None
    contains: str = ""
    mode: str = ""
    newer_than: Duration | None = None
    older_than: Duration | None = None
    min_size: int = 0

    def __post_init__(self) -> None:
        for length in (self.newer_than, self.older_than):
            if length:
                seconds(length)
        if self.mode:
            _bits(self.mode)
        if self.exists is False and self.about_content:
            raise ValueError("a file that must not exist has no content, mode, age or size")

    @property
    def about_content(self) -> bool:
        """Whether anything is asked of a file that is there."""
        ages = self.newer_than or self.older_than
        return bool(self.contains or self.mode or ages or self.min_size)


class File:
    """Looks at one file."""

    settings = Settings
    stage = "before"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return [Operation(where="host", what=f"look at {in_project(scene, settings.path)}")]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        if not settings.path or (settings.exists is None and not settings.about_content):
            return undecided("nothing is wanted of the file, so there is nothing to judge by")
        try:
            path = scene.values.text(settings.path)
            seen = await status(scene, path)
            if seen is None:
                judged = passed if settings.exists is False else failed
                return judged("it is not there", where=settings.path)
            if settings.exists is False:
                return failed("it is there", expected="no such file", where=settings.path)
            problems = _problems(settings, seen, scene.clock.now())
            if settings.contains and not await _contains(settings, scene, path):
                problems.append("it does not contain what is wanted")
        except PermanentError as problem:
            return error(problem.message, where=settings.path)
        facts = {"mode": f"{seen.mode:o}", "size": seen.size, "changed": seen.changed}
        if problems:
            return failed("; ".join(problems), where=settings.path, facts=facts)
        return passed(f"there, {seen.size} bytes", where=settings.path, facts=facts)


def _bits(mode: str) -> int:
    try:
        return int(mode, 8)
    except ValueError:
        raise ValueError(f'not a file mode: {mode!r} (write "600" or "644")') from None


def _problems(settings: Settings, seen: Status, now: float) -> list[str]:
    problems, age = [], now - seen.changed
    if settings.mode and seen.mode & ~_bits(settings.mode):
        problems.append(f"its mode is {seen.mode:o}, wanted at most {settings.mode}")
    if settings.newer_than and age > seconds(settings.newer_than):
        problems.append(f"it is {_age(age)} old, wanted at most {settings.newer_than}")
    if settings.older_than and age < seconds(settings.older_than):
        problems.append(f"it is {_age(age)} old, wanted at least {settings.older_than}")
    if seen.size < settings.min_size:
        problems.append(f"it has {seen.size} bytes, wanted at least {settings.min_size}")
    return problems


def _age(length: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if length >= 2 * size:
            return f"{length / size:.0f} {unit}"
    return f"{max(length, 0):.0f} seconds"


async def _contains(settings: Settings, scene: Scene, path: str) -> bool:
    content = await scene.host.read(in_project(scene, path)) or b""
    return scene.values.text(settings.contains).encode() in content


CHECK: Check[Settings] = File()

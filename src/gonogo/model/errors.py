"""Every error gonogo raises on purpose. The class fixes the exit code; the text says what to do."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command answers to the shell. Documented in docs/reference/exit-codes.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_GO = 3
    ROLLED_BACK = 4
    PARTIAL = 5
    WAITING = 6
    REFUSED = 7
    BAD_CONFIGURATION = 78
    INTERRUPTED = 130


class GonogoError(Exception):
    """An error that a person can act on: what happened, and the next command to type."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class PermanentError(GonogoError):
    """Trying again would not help."""


class TemporaryError(GonogoError):
    """Trying again may help; only these are retried."""


class NotFound(PermanentError):
    """A run, a release or a step that does not exist."""


class Refused(PermanentError):
    """gonogo will not do this now, and says why. Nothing was touched."""

    exit_code = ExitCode.REFUSED


class Interrupted(GonogoError):
    """The command was asked to end before its run; the run can be resumed, or a service goes on."""

    exit_code = ExitCode.INTERRUPTED


class Aborted(GonogoError):
    """A person asked for the run to be aborted while a step was under way."""


class BadConfiguration(PermanentError):
    """`gonogo.yml` (or a file it names) cannot be used. Carries every problem found."""

    exit_code = ExitCode.BAD_CONFIGURATION

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

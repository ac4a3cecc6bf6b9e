"""The secrets that an instance was launched with, taken out of its log: today's may be others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from gonogo.model.log import Log
from gonogo.model.redaction import Redactor, encodings


def held(secrets: Iterable[str], values: Iterable[str]) -> list[str]:
    """The secrets that stand in these values, in whatever form."""
    whole = "\n".join(values)
    return [one for one in secrets if any(form in whole for form in encodings(one))]


def hidden(log: Log, secrets: Sequence[str]) -> Log:
    """The log without these secrets."""
    redactor = _redactor(tuple(secrets))
    return replace(log, lines=[replace(one, text=redactor.text(one.text)) for one in log.lines])


@lru_cache
def _redactor(secrets: tuple[str, ...]) -> Redactor:
    """Kept, because the instances of a release have the same, and making one takes a while."""
    return Redactor(secrets)

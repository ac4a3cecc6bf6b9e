"""The types a variable of the application can be declared as, with the options of each.

The first option may be written alone: `MODE: {enum: [a, b]}` is `MODE: {enum: {values: [a, b]}}`.
Beside the type stands `required: false` for a variable that need not be set. What the types mean
is the business of the check `variables`; here is only how they are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """A type that takes no options."""


@dataclass(frozen=True, kw_only=True)
class SecretOptions:
    """Something random. min_length in characters; min_bits of entropy."""

    min_length: int = 32
    min_bits: float | None = None


@dataclass(frozen=True, kw_only=True)
class UrlOptions:
    """An address. host is the one it must point at."""

    host: str = ""


@dataclass(frozen=True, kw_only=True)
class EnumOptions:
    """One of some words."""

    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class KeyOptions:
    """A key. prefix is how a service's starts; mode says whether it is for live or for test.

    Without either it is one of your own: random bytes.
    """

    prefix: str = ""
    mode: Literal["live", "test"] | None = None


@dataclass(frozen=True, kw_only=True)
class EqualsOptions:
    """The same as another text, which may be a reference such as $url."""

    value: str


TYPES: dict[str, type[Any]] = {
    "text": NoOptions,
    "secret": SecretOptions,
    "url": UrlOptions,
    "postgres-url": UrlOptions,
    "redis-url": UrlOptions,
    "origin": NoOptions,
    "port": NoOptions,
    "integer": NoOptions,
    "boolean": NoOptions,
    "enum": EnumOptions,
    "key": KeyOptions,
    "equals": EqualsOptions,
}
"""The options of each type."""

PLAIN = frozenset({"port", "integer", "boolean", "enum", "origin", "equals"})
"""Types whose values may be seen. A url may be seen, too, unless it holds a password."""

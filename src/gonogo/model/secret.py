"""A value that must not be seen. It refuses to be printed, formatted into text or serialised."""

from __future__ import annotations

import hashlib
import hmac
from typing import NoReturn


class Secret:
    """Holds a text; only reveal() gives it, and only a Host calls reveal()."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the environment of a process or the header of a request."""
        return self._value

    def keyed_hash(self, key: bytes) -> str:
        """HMAC-SHA-256 (RFC 2104): tells whether two are equal, and nothing without the key."""
        return hmac.new(key, self._value.encode(), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "Secret(•••)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never serialised")

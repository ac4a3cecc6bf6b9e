"""The one error that request code raises on purpose."""

from __future__ import annotations


class Problem(Exception):
    """Something that the client should be told, with an HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

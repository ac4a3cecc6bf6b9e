"""Sizes as a person reads them."""

from __future__ import annotations


def megabytes(size: int) -> str:
    """A size for the screen: `0.1 MB` (also for less), `12.3 MB`, `1.2 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(0.1, size / 1e6):.1f} MB"

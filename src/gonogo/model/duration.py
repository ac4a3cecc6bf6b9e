"""Lengths of time as people write them: 500ms, 10s, 5m, 24h, 7d; and offsets from T-0."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_OFFSET = re.compile(r"T([+-])(0|(?:\d+(?:ms|s|m|h|d))+)")


def seconds(text: str) -> float:
    """Seconds in a duration such as `1m30s`. Raises ValueError with an example."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"not a duration: {text!r} (write 500ms, 10s, 5m, 24h or 7d)")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def offset(text: str) -> float:
    """Seconds from T-0 in an offset such as `T-24h`, `T-0` or `T+5m`. Raises ValueError."""
    match = _OFFSET.fullmatch(text)
    if not match:
        raise ValueError(f"not an offset: {text!r} (write T-24h, T-0 or T+5m)")
    sign, amount = match.groups()
    length = 0.0 if amount == "0" else seconds(amount)
    return -length if sign == "-" else length


def spoken(length: float) -> str:
    """A duration for the screen: `0.4 s`, `41 s`, `2:10`, `1:02:03`, `3 d`."""
    if length < 10:
        return f"{length:.1f} s"
    if length < 60:
        return f"{length:.0f} s"
    whole = int(length)
    hours, rest = divmod(whole, 3600)
    if hours >= 48:
        return f"{hours // 24} d"
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"

"""What a variable must look like, by type. Pure: a value in, a complaint out that hides it.

Which types and options there are, and how they are written, stands in config/variables.py.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

PLACEHOLDERS = re.compile(
    r"change.?me|change.?this|replace.?me|todo|fixme|placeholder|dummy|example|insert.?here"
    r"|(?:^|[_-])x{3,}$|x{6,}|\.{3,}|\*{3,}|<[a-z ,.!_-]{3,}>|^your[-_ ]|[-_]here$"
    r"|^(?:secret|password|test|default|none|null)$",
    re.IGNORECASE,
)
_EXAMPLE_HOST = re.compile(r"(?:^|\.)example\.(?:com|org|net)$|\.(?:example|invalid)$", re.I)
_BITS_PER_CHARACTER = 2.5
_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A declaration: the type, what the type is given, and whether a value is needed."""

    type: str
    options: Mapping[str, Any]
    required: bool


def declared(raw: Mapping[str, Any]) -> Declared:
    """A declaration as the configuration holds it: {type: options}, perhaps with `required`."""
    name = next(key for key in raw if key != "required")
    return Declared(type=name, options=raw[name], required=raw.get("required", True))


def complaint(value: str, declaration: Declared, put: Callable[[str], str]) -> str:
    """What is wrong with a value, in words that do not show it; empty when nothing is.

    put fills the references of `equals` in.
    """
    if not value.strip():
        return "is empty"
    if declaration.type == "equals":
        return _equals(value, str(declaration.options["value"]), put)
    return _RULES[declaration.type](value, declaration.options)


def _text(value: str, options: Mapping[str, Any]) -> str:
    return ""


def _secret(value: str, options: Mapping[str, Any]) -> str:
    if PLACEHOLDERS.search(value):
        return "is a placeholder"
    least = options.get("min_length", 32)
    if len(value) < least:
        return f"has {len(value)} characters, wanted at least {least}"
    wanted = options.get("min_bits")
    wanted = _BITS_PER_CHARACTER * least if wanted is None else wanted
    bits = entropy(value)
    if bits < wanted:
        return f"is too regular: {bits:.0f} bits of entropy, wanted at least {wanted:.0f}"
    return ""


def entropy(value: str) -> float:
    """Shannon's bits of a text: how often each character stands in it, times its length.

    A ceiling, not a proof: `abcdefgh` counts as random. It finds what repeats itself.
    """
    counts = Counter(value).values()
    return -sum(count * math.log2(count / len(value)) for count in counts) + 0.0


def _url(value: str, options: Mapping[str, Any], schemes: tuple[str, ...] = ()) -> str:
    try:
        parts = urlsplit(value.strip())
        _ = parts.port
    except ValueError:
        return "is not a URL"
    if not parts.scheme or not parts.hostname:
        return "is not a URL: wanted scheme://host"
    if schemes and parts.scheme not in schemes:
        return f"has a scheme other than {' or '.join(schemes)}"
    return _example(parts) or _host(parts, options)


def _example(parts: SplitResult) -> str:
    placeholder = _EXAMPLE_HOST.search(parts.hostname or "") or (
        parts.password and PLACEHOLDERS.search(parts.password)
    )
    return "is a placeholder" if placeholder else ""


def _host(parts: SplitResult, options: Mapping[str, Any]) -> str:
    wanted = options.get("host")
    return f"points at a host other than {wanted}" if wanted and parts.hostname != wanted else ""


def _postgres(value: str, options: Mapping[str, Any]) -> str:
    problem = _url(value, options, ("postgres", "postgresql"))
    if not problem and not urlsplit(value).path.strip("/"):
        return "names no database: wanted postgresql://host/database"
    return problem


def _redis(value: str, options: Mapping[str, Any]) -> str:
    return _url(value, options, ("redis", "rediss"))


def _origin(value: str, options: Mapping[str, Any]) -> str:
    problem = _url(value, options, ("http", "https"))
    if problem:
        return problem
    parts = urlsplit(value)
    if parts.path or parts.query or parts.fragment or parts.username:
        return "is more than an origin: wanted scheme://host[:port] and nothing after it"
    return ""


def _port(value: str, options: Mapping[str, Any]) -> str:
    fits = re.fullmatch(r"[0-9]{1,5}", value) and 1 <= int(value) <= 65535
    return "" if fits else "is not a port: wanted 1 to 65535"


def _integer(value: str, options: Mapping[str, Any]) -> str:
    return "" if re.fullmatch(r"[+-]?[0-9]+", value) else "is not a whole number"


def _boolean(value: str, options: Mapping[str, Any]) -> str:
    known = ("true", "false", "1", "0", "yes", "no", "on", "off")
    return "" if value.lower() in known else "is not true or false"


def _enum(value: str, options: Mapping[str, Any]) -> str:
    values = options["values"]
    return "" if value in values else f"is not one of {', '.join(values)}"


def _key(value: str, options: Mapping[str, Any]) -> str:
    """A service's key when it has a prefix or a mode, else random bytes as text."""
    prefix, mode = options.get("prefix", ""), options.get("mode")
    if not prefix and not mode:
        return _random(value)
    if not value.startswith(prefix):
        return f"does not start with {prefix}"
    other = {"live": "test", "test": "live"}.get(str(mode))
    if other and re.search(rf"(?:^|[_-]){other}(?:[_-]|$)", value):
        return f"is a {other} key, wanted a {mode} key"
    rest = value[len(prefix) :]
    if not rest or PLACEHOLDERS.search(rest):
        return "is a placeholder"
    return ""


def _random(value: str) -> str:
    if PLACEHOLDERS.search(value):
        return "is a placeholder"
    length = _decoded_length(value)
    if length is None:
        return f"is neither hexadecimal nor base64, wanted {_KEY_BYTES} random bytes"
    if length < _KEY_BYTES:
        return f"holds {length} bytes, wanted at least {_KEY_BYTES}"
    return "is too regular" if entropy(value) < _BITS_PER_CHARACTER * _KEY_BYTES else ""


def _decoded_length(value: str) -> int | None:
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", value):
        return len(value) // 2
    if re.fullmatch(r"[A-Za-z0-9+/_-]+={0,2}", value) and len(value.rstrip("=")) % 4 != 1:
        return len(value.rstrip("=")) * 6 // 8
    return None


def _equals(value: str, wanted: str, put: Callable[[str], str]) -> str:
    expected = put(wanted)
    if value == expected:
        return ""
    if value.rstrip("/") == expected.rstrip("/"):
        return f"differs from {wanted} by a slash at the end"
    return f"is not equal to {wanted}"


_RULES: dict[str, Callable[[str, Mapping[str, Any]], str]] = {
    "text": _text,
    "secret": _secret,
    "url": _url,
    "postgres-url": _postgres,
    "redis-url": _redis,
    "origin": _origin,
    "port": _port,
    "integer": _integer,
    "boolean": _boolean,
    "enum": _enum,
    "key": _key,
}

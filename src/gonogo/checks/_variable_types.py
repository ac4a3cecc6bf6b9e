"""What a variable must look like, by type. Pure: a value in, a complaint out that hides it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A declaration: the type, what the type is given, and whether a value is needed."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    required: bool = True


def declared(raw: Any) -> Declared:
    """A declaration as written: `port`, `{secret: {min_length: 40}}`, `{equals: $url}`.

    `required: false` beside the type, or `optional: true` among what it is given, allows the
    variable to be missing. Raises ValueError.
    """
    if isinstance(raw, str) or raw is None:
        return Declared(type=_known(raw or "text"))
    if not isinstance(raw, Mapping):
        raise ValueError(f"not a type of variable: {raw!r}")
    types = [key for key in raw if key != "required"]
    if len(types) > 1:
        raise ValueError(f"a variable has one type, not {' and '.join(map(str, types))}")
    name = _known(str(types[0]) if types else "text")
    given = raw.get(name)
    if name in _SHORT and not isinstance(given, Mapping):
        given = {_SHORT[name]: given}
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"{name} takes keys with values, not {given!r}")
    options = dict(given or {})
    _check_options(name, options)
    required = raw.get("required", True) is not False and not options.get("optional", False)
    return Declared(type=name, options=options, required=required)


def complaint(value: str, declaration: Declared, put: Callable[[str], str]) -> str:
    """What is wrong with a value, in words that do not show it; empty when nothing is.

    put fills the references of `equals` in.
    """
    if not value.strip():
        return "is empty"
    if declaration.type == "equals":
        return _equals(value, str(declaration.options["value"]), put)
    return _RULES[declaration.type](value, declaration.options)


def _known(name: str) -> str:
    if name not in _OPTIONS:
        raise ValueError(f"no type {name!r} (there are: {', '.join(_OPTIONS)})")
    return name


def _check_options(name: str, options: Mapping[str, Any]) -> None:
    for key in options:
        if key not in (*_OPTIONS[name], *_ALWAYS):
            raise ValueError(f"{name} takes {', '.join((*_OPTIONS[name], *_ALWAYS))}, not {key!r}")
    if name == "enum" and not isinstance(options.get("values"), list | tuple):
        raise ValueError("enum needs its values: {enum: [a, b]}")
    if name == "equals" and not isinstance(options.get("value"), str):
        raise ValueError("equals needs a text: {equals: $url}")
    if options.get("mode", "live") not in ("live", "test"):
        raise ValueError("the mode of a key is live or test")
    for key in ("min_length", "max_length", "min_bits", "minimum", "maximum", "bytes"):
        if not isinstance(options.get(key) or 0, int | float):
            raise ValueError(f"{key} is a number")


def _text(value: str, options: Mapping[str, Any]) -> str:
    least, most = options.get("min_length") or 0, options.get("max_length")
    if len(value) < least:
        return f"has {len(value)} characters, wanted at least {least}"
    if most is not None and len(value) > most:
        return f"has {len(value)} characters, wanted at most {most}"
    pattern = options.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        return f"does not look like {pattern}"
    return ""


def _secret(value: str, options: Mapping[str, Any]) -> str:
    if PLACEHOLDERS.search(value):
        return "is a placeholder"
    least = int(options.get("min_length", 32))
    misfit = _text(value, {**options, "min_length": least})
    if misfit:
        return misfit
    wanted = float(options.get("min_bits", _BITS_PER_CHARACTER * least))
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
    schemes = schemes or tuple(options.get("schemes") or ())
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
    if not re.fullmatch(r"[+-]?\d{1,30}", value, re.ASCII):
        return "is not a whole number"
    least, most = options.get("minimum"), options.get("maximum")
    if least is not None and int(value) < least:
        return f"is less than {least}"
    return f"is more than {most}" if most is not None and int(value) > most else ""


def _boolean(value: str, options: Mapping[str, Any]) -> str:
    known = ("true", "false", "1", "0", "yes", "no", "on", "off")
    return "" if value.lower() in known else "is not true or false"


def _enum(value: str, options: Mapping[str, Any]) -> str:
    values = [str(one) for one in options["values"]]
    return "" if value in values else f"is not one of {', '.join(values)}"


def _key(value: str, options: Mapping[str, Any]) -> str:
    """A service's key when it has a prefix or a mode, else random bytes as text."""
    prefix, mode = str(options.get("prefix") or ""), options.get("mode")
    if not prefix and not mode:
        return _random(value, int(options.get("bytes") or 32))
    if not value.startswith(prefix):
        return f"does not start with {prefix}"
    other = {"live": "test", "test": "live"}.get(str(mode), "")
    if other and re.search(rf"(?:^|[_-]){other}(?:[_-]|$)", value):
        return f"is a {other} key, wanted a {mode} key"
    rest = value[len(prefix) :]
    if not rest or PLACEHOLDERS.search(rest):
        return "is a placeholder"
    return ""


def _random(value: str, least: int) -> str:
    if PLACEHOLDERS.search(value):
        return "is a placeholder"
    length = _decoded_length(value)
    if length is None:
        return f"is neither hexadecimal nor base64, wanted {least} random bytes"
    if length < least:
        return f"holds {length} bytes, wanted at least {least}"
    return "is too regular" if entropy(value) < _BITS_PER_CHARACTER * least else ""


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
_OPTIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_RULES, ()),
    "text": ("min_length", "max_length", "pattern"),
    "secret": ("min_length", "max_length", "pattern", "min_bits"),
    "url": ("schemes", "host"),
    "integer": ("minimum", "maximum"),
    "postgres-url": ("host",),
    "redis-url": ("host",),
    "enum": ("values",),
    "key": ("prefix", "mode", "bytes"),
    "equals": ("value",),
}
_ALWAYS = ("optional", "note")
_SHORT = {"enum": "values", "equals": "value"}
"""Types that may be given one value instead of keys."""

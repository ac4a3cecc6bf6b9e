"""The one place where secrets are taken out of what people and the journal get to see.

A program prints a secret seldom as it is: it is in a quoted URL, in base64 of a header, escaped in
JSON or in a line of shell. So each secret is looked for in every usual encoding. All of them become
one prefix tree and one compiled regular expression: a line costs the same for one secret as for
fifty. Matches may overlap; everything any of them covers is taken out, so that no tail remains.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

from gonogo.model.secret import Secret

MASK = "•••"
SHORTEST = 4
"""Shorter secrets are left alone: hiding every `1` would hide everything."""

_SHORTEST_LINE = 8
_SHORTEST_CORE = 8
_URL_SAFE = ("", "/", "!$&'()*+,;=:@/?", "!'()*~", "/~")


class Redactor:
    """Replaces secrets by `•••`. It may learn more of them at any time, and forgets none."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = set(secrets)
        self._compiled: tuple[int, re.Pattern[str] | None] = (0, None)

    def learn(self, secrets: Iterable[str]) -> None:
        """Replace these, too, from now on. Any thread may say so."""
        self._secrets.update(secrets)

    def _pattern(self) -> re.Pattern[str] | None:
        """The pattern of all that is known; made again when there is more."""
        known, pattern = self._compiled
        if known != len(self._secrets):
            secrets = frozenset(self._secrets)
            forms = {form for secret in secrets for form in encodings(secret)}
            pattern = re.compile(f"(?=({_alternatives(_tree(forms))}))") if forms else None
            self._compiled = len(secrets), pattern
        return pattern

    def text(self, text: str) -> str:
        """The text without secrets."""
        pattern = self._pattern()
        if pattern is None:
            return text
        pieces, end = [], 0
        for start, stop in _merged(match.span(1) for match in pattern.finditer(text)):
            pieces += [text[end:start], MASK]
            end = stop
        return "".join([*pieces, text[end:]])

    def value(self, value: Any) -> Any:
        """A JSON value without secrets, in keys too. A number that is a secret becomes a text."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            return [self.value(element) for element in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            shown = repr(value)
            return value if self.text(shown) == shown else self.text(shown)
        if isinstance(value, Secret):
            return MASK
        raise TypeError(f"not a JSON value: {type(value).__name__}")

    def _mapping(self, value: Mapping[Any, Any]) -> dict[str, Any]:
        """Keys that become equal are numbered, so that nothing gets lost."""
        whole: dict[str, Any] = {}
        for key, element in value.items():
            redacted = self.text(str(key))
            name, number = redacted, 1
            while name in whole:
                number += 1
                name = f"{redacted} ({number})"
            whole[name] = self.value(element)
        return whole


def encodings(secret: str) -> set[str]:
    """Every text a secret is looked for as; empty for one that is too short or blank."""
    if len(secret) < SHORTEST or not secret.strip():
        return set()
    lines = [line.strip() for line in secret.splitlines()]
    parts = {secret, secret.strip()} if len(secret.strip()) >= SHORTEST else {secret}
    if len(lines) > 1:
        parts |= {line for line in lines if len(line) >= _SHORTEST_LINE}
        parts.add(secret.replace("\r\n", "\n").replace("\n", "\r\n"))
    return {
        form
        for part in parts
        for form in (*_written(part), *_as_url(part), *_as_base64(part), *_as_hex(part))
        if len(form) >= SHORTEST
    }


def _written(text: str) -> Iterator[str]:
    """As a program writes a text into JSON, Python, shell, HTML or a log."""
    yield text
    for escaped in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield escaped
        yield escaped.replace("/", "\\/")
        yield json.dumps(escaped, ensure_ascii=False)[1:-1]
        yield html.escape(escaped)
    yield repr(text)[1:-1]
    yield ascii(text)[1:-1]
    yield repr(_bytes(text))[2:-1]
    yield shlex.quote(text)
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", text)
    yield re.sub(r"([\"\\$`])", r"\\\1", text)
    yield html.escape(text, quote=False)
    escaped = html.escape(text)
    yield escaped
    yield escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield escaped.replace("&#x27;", "&apos;")


def _as_url(text: str) -> Iterator[str]:
    for safe in _URL_SAFE:
        for quoted in (quote(_bytes(text), safe=safe), quote_plus(_bytes(text), safe=safe)):
            yield quoted
            yield re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), quoted)
            yield quote(quoted, safe="")


def _as_base64(text: str) -> Iterator[str]:
    """Alone, and inside a longer text, where it begins at one of three places in a group."""
    raw = _bytes(text)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(raw).decode()
        yield whole
        yield whole.rstrip("=")
        yield quote(whole, safe="")
        for before in range(3):
            encoded = encode(bytes(before) + raw).decode()
            first = (0, 2, 3)[before]
            last = (before + len(raw)) * 8 // 6
            if last - first >= _SHORTEST_CORE:
                yield encoded[first:last]


def _as_hex(text: str) -> Iterator[str]:
    raw = _bytes(text)
    for separator in ("", ":", " "):
        plain = raw.hex(separator) if separator else raw.hex()
        yield plain
        yield plain.upper()
    yield "".join(f"\\x{byte:02x}" for byte in raw)


def _bytes(text: str) -> bytes:
    """Bytes of any text, also of an environment variable that is not UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


class _Node(dict[str, "_Node"]):
    """A letter of the prefix tree: the letters that may follow, and whether one may end here."""

    end = False


def _tree(forms: Iterable[str]) -> _Node:
    root = _Node()
    for form in forms:
        node = root
        for letter in form:
            node = node.setdefault(letter, _Node())
        node.end = True
    return root


def _alternatives(node: _Node) -> str:
    """A regular expression for all that hangs on a node; the longest wins as `?` is greedy.

    Straight runs are followed in a loop, so that long secrets do not nest.
    """
    branches = []
    for first, child in node.items():
        run, following = first, child
        while len(following) == 1 and not following.end:
            [(letter, following)] = following.items()
            run += letter
        branches.append(re.escape(run) + (_alternatives(following) if following else ""))
    body = branches[0] if len(branches) == 1 and not node.end else f"(?:{'|'.join(branches)})"
    return f"{body}?" if node.end else body


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans that touch or overlap become one. They come ordered by where they start."""
    current: tuple[int, int] | None = None
    for start, stop in spans:
        if current and start <= current[1]:
            current = (current[0], max(current[1], stop))
            continue
        if current:
            yield current
        current = (start, stop)
    if current:
        yield current

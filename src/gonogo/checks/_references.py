"""References in what a check sends: variables, facts of the run, and values captured on the way.

A captured value comes from outside. It is put in beside the resolved parts of a text and never
looked at for references itself: an answer that contains `${DATABASE_URL}` gets nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gonogo.model.redaction import Redactor
from gonogo.model.reference import FACTS, REFERENCE
from gonogo.ports import Values

RESERVED = FACTS
"""Names of facts of the run; nothing can be captured under them."""

PLAIN = ("port", "integer", "boolean", "origin")
"""Types of variables that may be shown in what a program wrote."""

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_CAPTURED = re.compile(r"\$([a-z_][a-z0-9_]*)")


class References:
    """Puts values in, and remembers which, so that a redactor can take them out again."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._captured: dict[str, Any] = {}
        self._hidden: set[str] = set()

    def capture(self, name: str, value: Any) -> None:
        """Keep a value for the requests that follow."""
        self._captured[name] = value
        self.hide(str(value))

    def hide(self, text: str) -> None:
        """Never show this text."""
        self._hidden.add(text)

    def hide_variables(self, declarations: Mapping[str, Any]) -> None:
        """Never show a variable's value, unless its declared type says that it is no secret."""
        for name, secret in self._values.variables().items():
            if declarations.get(name) not in PLAIN:
                self.hide(secret.reveal())

    def redactor(self) -> Redactor:
        """Takes out every variable put in so far, every captured value and all that is hidden."""
        return Redactor(self._hidden)

    def text(self, text: str) -> str:
        """The text with everything put in. PermanentError when something is not set."""
        return self._text(text, str)

    def url(self, text: str) -> str:
        """As text; a captured value is quoted, unless it is the whole address."""
        whole = _CAPTURED.fullmatch(text)
        if whole and whole[1] in self._captured:
            return str(self._captured[whole[1]])
        return self._text(text, lambda value: quote(str(value), safe=""))

    def literal(self, text: str) -> str:
        """For the right side of a condition, where a lone `$` ends a pattern."""
        return self.text(text) if REFERENCE.search(text) or self._names(text) else text

    def value(self, value: Any) -> Any:
        """A JSON value with everything put in; a text that is only `$name` keeps its type."""
        if isinstance(value, str):
            whole = _CAPTURED.fullmatch(value)
            if whole and whole[1] in self._captured:
                return self._captured[whole[1]]
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(element) for key, element in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(element) for element in value]
        return value

    def _names(self, text: str) -> bool:
        return any(match[1] in self._captured for match in _CAPTURED.finditer(text))

    def _text(self, text: str, written: Any) -> str:
        pieces, end = [], 0
        for match in _CAPTURED.finditer(text):
            if match[1] in self._captured:
                pieces.append(self._resolved(text[end : match.start()]))
                pieces.append(written(self._captured[match[1]]))
                end = match.end()
        return "".join([*pieces, self._resolved(text[end:])])

    def _resolved(self, text: str) -> str:
        if "$" not in text:
            return text
        for name in _VARIABLE.findall(text):
            self.hide(self._values.text(f"${{{name}}}"))
        return self._values.text(text)

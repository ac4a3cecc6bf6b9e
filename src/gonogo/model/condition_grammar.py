"""The text of a condition: what may be written and what it means. condition.py does the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from gonogo.model.duration import seconds

FUNCTIONS = ("len", "has", "any")
ORDERING = ("<=", ">=", "<", ">")
TEXT_OPERATORS = ("matches", "starts-with", "ends-with")
OPERATORS = ("==", "!=", *ORDERING, "contains", *TEXT_OPERATORS, "in")

_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_PATH = (
    rf"(?:(?:{_QUOTED})|[A-Za-z_][\w-]*)"
    rf"(?:\.(?:(?:{_QUOTED})|\w[\w-]*)|\[\s*(?:-?\d+|{_QUOTED})\s*\])*"
)
_OPERAND = re.compile(rf"\s*(?:(?P<function>\w+)\(\s*(?P<inner>{_PATH})\s*\)|(?P<path>{_PATH}))\s*")
_PIECE = re.compile(rf"\[\s*(?P<index>-?\d+)\s*\]|(?P<quoted>{_QUOTED})|(?P<name>\w[\w-]*)")
_OPERATOR = re.compile(
    r"(==|!=|<=|>=|<(?!>)|>)\s*|(contains|matches|starts-with|ends-with|in)(?=\s)\s*"
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_ELEMENT = re.compile(rf"\s*({_QUOTED}|[^\s,\"'\[\]]+)\s*(,|$)")


@dataclass(frozen=True, kw_only=True)
class Operand:
    """Where a value is found: keys and indices from the facts inwards, and a function over it."""

    text: str
    path: tuple[str | int, ...]
    function: str = ""


@dataclass(frozen=True, kw_only=True)
class Literal:
    """The value compared with. text is how it was written; unit is `%`, `s` or nothing."""

    text: str
    value: float | str | bool | tuple[Literal, ...] | None
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A parsed condition."""

    text: str
    operand: Operand
    operator: str
    literal: Literal

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Condition:
    """A condition from its text. Raises ValueError that says what is wrong and shows an example."""
    head = _OPERAND.match(text)
    if not head:
        raise _bad(text, "it does not start with an operand")
    found = _OPERATOR.match(text, head.end())
    if not found:
        known = " ".join(OPERATORS)
        raise _bad(text, f"after {head.group().strip()} an operator is wanted: {known}")
    operator = found.group(1) or found.group(2)
    rest = text[found.end() :].strip()
    if not rest:
        raise _bad(text, f"nothing to compare with after {operator}")
    operand = parse_operand(head.group())
    return Condition(
        text=text.strip(),
        operand=operand,
        operator=operator,
        literal=_literal_for(operator, rest, text),
    )


def parse_operand(text: str) -> Operand:
    """The left side alone, such as `body.items[0].name` or `len(body.items)`. Raises ValueError."""
    match = _OPERAND.fullmatch(text)
    if not match:
        raise ValueError(f"not an operand: {text!r} (write status, body.items[0].name or len(x))")
    function = match["function"] or ""
    if function and function not in FUNCTIONS:
        raise ValueError(f"no function {function!r} in {text!r} (there are len, has and any)")
    return Operand(
        text=text.strip(), path=_pieces(match["inner"] or match["path"]), function=function
    )


def resolve(condition: Condition, put: Callable[[str], str]) -> Condition:
    """The condition with put applied to every text it compares with (to put references in).

    The condition's own text stays as written, so that an explanation shows the reference.
    """
    return replace(condition, literal=_resolved(condition.literal, put))


def is_number(value: object) -> bool:
    """Whether it is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bad(text: str, why: str) -> ValueError:
    return ValueError(f"not a condition: {text!r}: {why} (for example: status == 200)")


def _pieces(path: str) -> tuple[str | int, ...]:
    return tuple(
        int(piece["index"])
        if piece["index"] is not None
        else piece["name"] or _unquoted(piece["quoted"])
        for piece in _PIECE.finditer(path)
    )


def _unquoted(text: str) -> str:
    """Without the quotes. Only a quote and a backslash are escaped: `"\\d"` is a pattern."""
    return re.sub(r"\\([\"'\\])", r"\1", text[1:-1])


def _literal_for(operator: str, rest: str, whole: str) -> Literal:
    if operator == "in":
        return _list(rest, whole)
    if not re.fullmatch(_QUOTED, rest):
        if re.search(r"\s", rest):
            raise _bad(whole, f'a text with spaces stands in quotes: {operator} "{rest}"')
        if operator not in TEXT_OPERATORS and rest[0] in "[(<>=!\"'":
            raise _bad(whole, f"{rest!r} is not a value (a list goes with `in`)")
    if operator in TEXT_OPERATORS:
        text = _unquoted(rest) if re.fullmatch(_QUOTED, rest) else rest
        if operator == "matches":
            _check_pattern(text, whole)
        return Literal(text=rest, value=text)
    literal = _scalar(rest)
    if operator in ORDERING and not is_number(literal.value):
        raise _bad(whole, f"{operator} compares numbers, and {rest} is none")
    return literal


def _check_pattern(pattern: str, whole: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise _bad(whole, f"the pattern {pattern!r} is wrong: {error}") from None


def _list(text: str, whole: str) -> Literal:
    if not (text.startswith("[") and text.endswith("]")):
        raise _bad(whole, "after in stands a list, such as [200, 204]")
    inner, at, elements = text[1:-1], 0, []
    while at < len(inner):
        element = _ELEMENT.match(inner, at)
        if not element:
            raise _bad(whole, f"not a list: {text}")
        elements.append(_scalar(element[1]))
        at = element.end()
    if not elements or inner.rstrip().endswith(","):
        raise _bad(whole, "the list is empty or ends with a comma")
    return Literal(text=text, value=tuple(elements))


def _scalar(text: str) -> Literal:
    if re.fullmatch(_QUOTED, text):
        return Literal(text=text, value=_unquoted(text))
    if text in ("true", "false", "null"):
        return Literal(text=text, value={"true": True, "false": False, "null": None}[text])
    if _NUMBER.fullmatch(text):
        return Literal(text=text, value=float(text) if re.search("[.eE]", text) else int(text))
    if text.endswith("%") and _NUMBER.fullmatch(text[:-1]):
        return Literal(text=text, value=float(text[:-1]) / 100, unit="%")
    try:
        return Literal(text=text, value=seconds(text), unit="s")
    except ValueError:
        return Literal(text=text, value=text)


def _resolved(literal: Literal, put: Callable[[str], str]) -> Literal:
    if isinstance(literal.value, str):
        return replace(literal, value=put(literal.value))
    if isinstance(literal.value, tuple):
        return replace(literal, value=tuple(_resolved(one, put) for one in literal.value))
    return literal

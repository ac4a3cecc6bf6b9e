"""The one condition grammar of gonogo: `operand operator literal`.

    status == 200     error_rate > 5%     len(body.items) > 0     header.server matches ^nginx

No loops, no arithmetic, no and/or: whoever needs more writes Python or a command. Two things are
errors here that other tools let pass. An operand that cannot be found is an error, because a
missing number read as 0 makes `errors < 1` true. And values of different kinds are never compared,
because a False that only means "these do not fit" makes `!=` true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gonogo.model.condition_grammar import (
    OPERATORS,
    ORDERING,
    Condition,
    Literal,
    Operand,
    is_number,
    parse,
    parse_operand,
    resolve,
)

__all__ = [
    "OPERATORS",
    "Condition",
    "Literal",
    "Operand",
    "Unresolvable",
    "evaluate",
    "explain",
    "look_up",
    "parse",
    "parse_operand",
    "resolve",
]

_SHOWN = 200


class Unresolvable(ValueError):
    """The condition cannot be decided: something is missing, or the kinds do not fit."""


def look_up(operand: Operand, facts: Mapping[str, Any]) -> Any:
    """The value an operand names; `any` gives the list itself. Raises Unresolvable."""
    if operand.function == "has":
        return _has(operand, facts)
    value = _walk(operand, facts)
    if operand.function == "len":
        if isinstance(value, str | Mapping | Sequence):
            return len(value)
        raise Unresolvable(f"{operand.text}: {_kind(value)} has no length")
    if operand.function == "any" and _kind(value) != "a list":
        raise Unresolvable(f"{operand.text}: {_kind(value)} is not a list")
    return value


def evaluate(condition: Condition, facts: Mapping[str, Any]) -> bool:
    """Whether the condition holds for the facts. Raises Unresolvable when that cannot be said."""
    value = look_up(condition.operand, facts)
    if condition.operand.function != "any":
        return _compare(condition, value)
    return _first_true(value, lambda element: _compare(condition, element))


def explain(condition: Condition, facts: Mapping[str, Any]) -> str:
    """Why a condition disappoints: `status is 500, wanted 200`.

    A condition that holds is one that must not, such as a no-go rule, and is explained so:
    `error_rate is 9.8 %, wanted not > 5 %`. An unresolvable one explains what is missing.
    """
    literal, operator = condition.literal, condition.operator
    try:
        value = look_up(condition.operand, facts)
        unwanted = evaluate(condition, facts)
    except Unresolvable as error:
        return str(error)
    clause = _shown_literal(literal)
    if operator == "!=":
        unwanted = not unwanted
    elif operator != "==":
        clause = f"{operator} {clause}"
    found = _shown(value, literal)
    return f"{condition.operand.text} is {found}, wanted {'not ' if unwanted else ''}{clause}"


def _walk(operand: Operand, facts: Mapping[str, Any]) -> Any:
    value: Any = facts
    for position, piece in enumerate(operand.path):
        where = _path_text(operand.path[:position]) or "what was found"
        if isinstance(piece, int):
            if _kind(value) != "a list":
                raise Unresolvable(
                    f"{where} is {_kind(value)}, not a list, so [{piece}] is missing"
                )
            if not -len(value) <= piece < len(value):
                raise Unresolvable(f"{where} has {len(value)} elements, so [{piece}] is missing")
        elif not isinstance(value, Mapping):
            raise Unresolvable(f"{where} is {_kind(value)}, so it has no {piece!r}")
        elif piece not in value:
            raise Unresolvable(f"{_path_text(operand.path[: position + 1])} is missing")
        value = value[piece]
    return value


def _has(operand: Operand, facts: Mapping[str, Any]) -> bool:
    try:
        _walk(operand, facts)
    except Unresolvable:
        return False
    return True


def _path_text(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{piece}]" if isinstance(piece, int) else f".{piece}" for piece in path)[1:]


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | float):
        if math.isnan(value):
            raise Unresolvable("not a number (NaN) compares with nothing")
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "a list"
    raise Unresolvable(f"a {type(value).__name__} cannot be compared")


def _compare(condition: Condition, value: Any) -> bool:
    operator, literal = condition.operator, condition.literal
    if operator in ("==", "!="):
        return _equal(condition, value, literal) is (operator == "==")
    if operator in ORDERING:
        return _ordered(condition, value)
    if operator == "in":
        assert isinstance(literal.value, tuple)
        return _first_true(literal.value, lambda one: _equal(condition, value, one))
    if operator == "contains":
        return _contains(condition, value)
    if not isinstance(value, str):
        raise _mismatch(condition, value, "a text")
    wanted = str(literal.value)
    if operator == "matches":
        return re.search(wanted, value) is not None
    return value.startswith(wanted) if operator == "starts-with" else value.endswith(wanted)


def _equal(condition: Condition, value: Any, literal: Literal) -> bool:
    if literal.value is None:
        return value is None
    if _kind(value) != _kind(literal.value):
        raise _mismatch(condition, value, _kind(literal.value))
    return bool(value == literal.value)


def _ordered(condition: Condition, value: Any) -> bool:
    if _kind(value) != "a number":
        raise _mismatch(condition, value, "a number")
    wanted: Any = condition.literal.value
    return bool(
        {
            "<": value < wanted,
            "<=": value <= wanted,
            ">": value > wanted,
            ">=": value >= wanted,
        }[condition.operator]
    )


def _contains(condition: Condition, value: Any) -> bool:
    literal = condition.literal
    if isinstance(value, str):
        return (literal.value if isinstance(literal.value, str) else literal.text) in value
    if isinstance(value, Mapping):
        return literal.value in value
    if _kind(value) == "a list":
        return _first_true(value, lambda element: _equal(condition, element, literal))
    raise _mismatch(condition, value, "a text, a list or a mapping")


def _first_true(elements: Iterable[Any], holds: Callable[[Any], bool]) -> bool:
    """Whether it holds for one element. Unresolvable when not one of them could be compared."""
    trouble: Unresolvable | None = None
    decided = 0
    for element in elements:
        try:
            if holds(element):
                return True
            decided += 1
        except Unresolvable as error:
            trouble = error
    if trouble and not decided:
        raise trouble
    return False


def _mismatch(condition: Condition, value: Any, wanted: str) -> Unresolvable:
    hint = ""
    if isinstance(value, str) and condition.operator in ("==", "!=", "in"):
        hint = " (put the literal in quotes to compare texts)"
    return Unresolvable(
        f"{condition.operand.text} is {_shown(value, condition.literal)}: {_kind(value)}, and "
        f"`{condition.text}` compares {wanted}{hint}"
    )


def _shown(value: Any, literal: Literal) -> str:
    kind = _kind(value)
    if kind == "a number":
        return _shown_number(value, literal)
    if kind == "a text":
        return f'"{value}"' if len(value) <= _SHOWN else f'"{value[:_SHOWN]}…"'
    if kind == "a mapping":
        return f"a mapping with {len(value)} keys"
    if kind == "a list":
        first = ", ".join(_shown(element, literal) for element in value[:5])
        return f"[{first}{', …' if len(value) > 5 else ''}]"
    return {None: "null", True: "true", False: "false"}[value]


def _shown_literal(literal: Literal) -> str:
    if is_number(literal.value):
        return _shown_number(literal.value, literal)
    return literal.text


def _shown_number(value: Any, literal: Literal) -> str:
    """In the literal's unit, with as many digits as it takes to differ from the literal."""
    factor, unit = (100.0, " %") if literal.unit == "%" else (1.0, "")
    if literal.unit == "s":
        factor, unit = _unit_of_time(abs(value))
    if isinstance(value, int) and factor == 1.0:
        return f"{value}{unit}"
    scaled = value * factor
    limit = literal.value * factor if isinstance(literal.value, int | float) else None
    for digits in (3, 5, 8):
        text = f"{scaled:.{digits}g}" if abs(scaled) < 10**digits else f"{scaled:.0f}"
        if limit is None or value == literal.value or float(text) != limit:
            break
    return f"{text}{unit}"


def _unit_of_time(length: float) -> tuple[float, str]:
    if length < 1:
        return 1000.0, " ms"
    if length < 60:
        return 1.0, " s"
    if length < 3600:
        return 1 / 60, " min"
    return (1 / 3600, " h") if length < 172800 else (1 / 86400, " days")

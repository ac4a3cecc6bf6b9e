"""Plain values with places; scalars as in YAML 1.2."""

from __future__ import annotations

import pytest

from gonogo.config.document import parse, plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0123", "0123"),
        ("1.5", 1.5),
        ("1e400", "1e400"),
        (".inf", ".inf"),
        ("12:30", "12:30"),
        ("2026-12-31", "2026-12-31"),
        ("9" * 5000, "9" * 5000),
        ("'12'", "12"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    found = plain(parse(f"a: {text}".encode(), "f"))["a"]
    assert found == value
    assert type(found) is type(value)


def test_places() -> None:
    root = parse("a:\n  b: [x,\n    y]\nü: {ö: z}\n".encode(), "f")
    assert root.at("a").keys["b"] == (2, 3)
    assert root.at("a", "b", 1).place == (3, 5)
    assert root.at("ü").keys["ö"] == (4, 5)
    assert root.at("ü", "ö").place == (4, 8)


def test_aliases_and_merges() -> None:
    root = parse(b"a: &a {x: 1, y: 2}\nb: *a\nc: {<<: [*a, {z: 4}], y: 3}\n", "f")
    assert plain(root) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 2},
        "c": {"y": 3, "x": 1, "z": 4},
    }


def test_byte_order_mark() -> None:
    assert plain(parse("\ufeffa: b".encode(), "f")) == {"a": "b"}

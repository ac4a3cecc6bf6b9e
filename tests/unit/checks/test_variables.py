"""Types of variables, and the files they stand in."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.checks._variable_types import Declared, complaint, declared, entropy
from gonogo.checks.variables import CHECK
from gonogo.config.load import settings
from gonogo.model.configuration import Environment
from gonogo.model.errors import BadConfiguration
from gonogo.model.evidence import Finding, Verdict

from .fakes import FakeValues, probe, scene

GOOD = "9f8b2c71d4e05a6633b1c9de7f20a845"

FINE: list[tuple[Any, str]] = [
    ("text", "anything"),
    ("secret", GOOD),
    ({"secret": {"min_length": 8}}, "qX7!vR2$"),
    ("url", "https://portal.test/x"),
    ("postgres-url", "postgresql://app:k9Lm@db.test:5432/portal"),
    ({"postgres-url": {"host": "db.test"}}, "postgres://app@db.test/portal"),
    ("redis-url", "rediss://:k9Lm@cache.test:6379/0"),
    ("origin", "https://portal.test:8443"),
    ("port", "4000"),
    ("integer", "-5"),
    ("boolean", "False"),
    ({"enum": ["a", "b"]}, "b"),
    ({"enum": {"values": ["a", "b"]}}, "b"),
    ({"key": {"prefix": "sk_", "mode": "live"}}, "sk_live_51HabcKd"),
    ({"equals": "$url"}, "https://portal.test"),
    ({"key": {"prefix": "sk_"}}, "sk_test_51HabcKd"),
    ({"secret": {"min_bits": 0}}, "1212121212121212121212121212121212"),
    ({"secret": {"min_length": 8, "min_bits": None}}, "qX7!vR2$"),
    ("key", "mGq2Zt0s7XoPvb1cK5uR8yWnLd3eHf6iJa9TzNxQ4Vw="),
]
BAD: list[tuple[Any, str, str]] = [
    ("text", "  ", "is empty"),
    ("secret", "changeme", "is a placeholder"),
    ("secret", "your-secret-goes-in-this-place-please", "is a placeholder"),
    ("secret", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "is a placeholder"),
    ("secret", "this-is-an-example-secret-of-enough-length", "is a placeholder"),
    ("secret", "<put the secret in this place, please!>", "is a placeholder"),
    ("secret", GOOD[:12], "has 12 characters, wanted at least 32"),
    ("secret", "a" * 40, "is too regular: 0 bits of entropy, wanted at least 80"),
    ("secret", "1212121212121212121212121212121212", "is too regular: 34 bits"),
    ("url", "portal.test", "is not a URL"),
    ("url", "https://portal.example.com", "is a placeholder"),
    ("url", "http://[::1", "is not a URL"),
    ("postgres-url", "mysql://db/x", "has a scheme other than postgres or postgresql"),
    ("postgres-url", "postgres://db", "names no database"),
    ("postgres-url", "postgres://app:changeme@db/portal", "is a placeholder"),
    ({"postgres-url": {"host": "db.test"}}, "postgres://old.test/x", "points at a host other"),
    ("redis-url", "http://cache", "has a scheme other"),
    ("origin", "https://portal.test/", "is more than an origin"),
    ("origin", "*", "is not a URL"),
    ("port", "70000", "is not a port"),
    ("port", "http", "is not a port"),
    ("integer", "1.5", "is not a whole number"),
    ("boolean", "maybe", "is not true or false"),
    ({"enum": ["a", "b"]}, "c", "is not one of a, b"),
    ("key", GOOD, "holds 16 bytes, wanted at least 32"),
    ("key", "not a key!", "is neither hexadecimal nor base64"),
    ("key", "ab" * 32, "is too regular"),
    ({"key": {"prefix": "sk_"}}, "pk_live_1", "does not start with sk_"),
    ({"key": {"prefix": "sk_", "mode": "live"}}, "sk_test_1", "is a test key, wanted a live key"),
    ({"key": {"prefix": "sk_live_"}}, "sk_live_xxx", "is a placeholder"),
    ({"equals": "$url"}, "https://other.test", "is not equal to $url"),
    ({"equals": "$url"}, "https://portal.test/", "differs from $url by a slash at the end"),
]


def put(text: str) -> str:
    return text.replace("$url", "https://portal.test")


def loaded(variables: dict[str, Any]) -> dict[str, Any]:
    """Declarations as they are written in `gonogo.yml`, as the loader gives them."""
    return settings(Environment, {"variables": variables}, "test").variables


def written(raw: Any) -> Declared:
    return declared(loaded({"A": raw})["A"])


@pytest.mark.parametrize(("raw", "value"), FINE)
def test_fine(raw: Any, value: str) -> None:
    assert complaint(value, written(raw), put) == ""


@pytest.mark.parametrize(("raw", "value", "said"), BAD)
def test_bad(raw: Any, value: str, said: str) -> None:
    found = complaint(value, written(raw), put)
    assert found.startswith(said)
    assert not value.strip() or value not in found


@pytest.mark.parametrize(
    "raw",
    [
        "strange",
        5,
        {"secret": {"length": 3}},
        {"enum": "a"},
        {"equals": 5},
        {"text": {}, "port": {}},
        {"key": {"mode": "maybe"}},
        {"secret": {"min_length": "long"}},
        {"secret": {"optional": True}},
    ],
)
def test_declarations_that_cannot_be(raw: Any) -> None:
    with pytest.raises(BadConfiguration):
        written(raw)


@given(st.text())
def test_no_type_breaks_on_any_value_or_shows_it(value: str) -> None:
    for declaration in DECLARED:
        found = complaint(value, declaration, put)
        assert len(value) < 12 or value not in found


DECLARED = [written(raw) for raw, _ in FINE]


def test_random_secrets_have_enough_entropy() -> None:
    for _ in range(500):
        for made in (secrets.token_hex(16), secrets.token_urlsafe(24)):
            assert entropy(made) >= 80


def look(variables: dict[str, Any], known: dict[str, str], **more: Any) -> Finding:
    values = FakeValues(
        known, {"url": "https://portal.test"}, tuple(variables), more.pop("unset", {})
    )
    settings = more.pop("settings", {})
    environment = {"variables": loaded(variables), **more.pop("environment", {})}
    return probe(CHECK, scene(environment=environment, values=values, **more), **settings)


def test_all_wrong_ones_are_named_and_none_is_shown() -> None:
    finding = look(
        {"A": "secret", "B": "port", "C": {"equals": "$url"}, "D": "text", "E": "text"},
        {"A": "short-one-abc", "B": "eighty", "C": "https://x.test", "D": "fine"},
    )
    assert finding.verdict is Verdict.FAIL
    assert finding.facts["problems"] == [
        "A has 13 characters, wanted at least 32",
        "B is not a port: wanted 1 to 65535",
        "C is not equal to $url",
        "E is not set",
    ]
    for value in ("short-one-abc", "eighty", "x.test"):
        assert value not in str(finding.to_json())


def test_a_reference_without_a_value_is_named_with_its_place() -> None:
    unset = {"B": "gonogo.yml:7:9", "C": "gonogo.yml:8:9"}
    finding = look(
        {"A": {"equals": "${B}"}, "C": "text", "D": "text"},
        {"A": "x"},
        environment={"environment": {"ADDRESS": "http://${B}/${C}"}},
        unset=unset,
    )
    assert finding.verdict is Verdict.FAIL
    assert finding.facts["problems"] == [
        "gonogo.yml:7:9: ${B} has no value",
        "gonogo.yml:8:9: ${C} has no value",
        "D is not set",
    ]


def test_references_are_looked_at_without_any_declaration() -> None:
    environment = {"environment": {"ADDRESS": "http://${B}"}}
    assert look({}, {}, environment=environment).verdict is Verdict.PASS
    bad = look({}, {}, environment=environment, unset={"B": "gonogo.yml:7:9"})
    assert bad.found == "1 wrong: gonogo.yml:7:9: ${B} has no value"
    only = look({"A": "port"}, {"A": "1"}, environment=environment, settings={"only": ("A",)})
    assert only.found == "1 variables and 0 env files are as declared"


def test_a_variable_need_not_be_set() -> None:
    optional = {"A": {"secret": {}, "required": False}}
    assert look(optional, {}).verdict is Verdict.PASS
    assert look(optional, {"A": "changeme"}).verdict is Verdict.FAIL


def test_only_some() -> None:
    variables = {"A": "port", "B": "port"}
    known = {"A": "1", "B": "x"}
    assert look(variables, known, settings={"only": ("A",)}).verdict is Verdict.PASS
    assert look(variables, known, settings={"only": ("C",)}).verdict is Verdict.ERROR


def test_env_files(tmp_path: Path) -> None:
    def files(**settings: Any) -> Finding:
        return look(
            {}, {}, project=str(tmp_path), environment={"env_files": (".env",)}, settings=settings
        )

    assert "is not there" in files().found
    path = tmp_path / ".env"
    path.write_text("A=1")
    path.chmod(0o644)
    assert files().found == "1 wrong: .env can be used by others (mode 644): chmod 600 .env"
    path.chmod(0o600)
    assert files().verdict is Verdict.PASS
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert files().verdict is Verdict.PASS
    subprocess.run(["git", "add", ".env"], cwd=tmp_path, check=True)
    assert ".env is in git" in files().found
    assert files(files=False).verdict is Verdict.UNDECIDED

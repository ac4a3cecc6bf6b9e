"""Values are found at the moment of use, and the ones to hide are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gonogo.config.load import load
from gonogo.config.values import EnvironmentValues
from gonogo.model.configuration import Environment
from gonogo.model.errors import PermanentError
from gonogo.model.secret import Secret
from gonogo.ports import Values


def make(tmp_path: Path, process: dict[str, str] | None = None, **more: Any) -> EnvironmentValues:
    (tmp_path / ".env").write_text(
        "A=from file\nexport B='two words' # note\nC=$A and ${A}\nPASSWORD=hunter22\n"
        "NODE_ENV=production\nEMPTY=\n"
    )
    (tmp_path / ".env.more").write_text("A=later file\n")
    environment = Environment(
        name="dev", url="https://portal.example.com", env_files=(".env", ".env.more"), **more
    )
    return EnvironmentValues(
        environment,
        tmp_path,
        release="2026-12-01.1",
        process=process or {},
    )


def test_is_a_values(tmp_path: Path) -> None:
    values: Values = make(tmp_path)
    assert values.missing() == []


def test_references(tmp_path: Path) -> None:
    values = make(tmp_path, {"B": "from process"})
    assert values.text("${A}|${B}|$url|$release|$environment") == (
        "later file|from process|https://portal.example.com|2026-12-01.1|dev"
    )
    assert values.text("$urls $A $$ ${ ${} 5$") == "$urls $A $$ ${ ${} 5$"
    assert values.text("${C}") == "$A and ${A}"


def test_not_set(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="NOWHERE has no value") as caught:
        make(tmp_path).text("x ${NOWHERE}")
    assert caught.value.next_step == "put NOWHERE into .env.more"
    values = EnvironmentValues(Environment(name="dev"), tmp_path, process={})
    with pytest.raises(PermanentError, match=r"\$release has no value"):
        values.text("$release")


def test_no_env_file(tmp_path: Path) -> None:
    environment = Environment(name="dev", env_files=("gone.env",))
    values = EnvironmentValues(environment, tmp_path, process={})
    with pytest.raises(PermanentError, match=r"no env file gone\.env"):
        values.variables()


def test_variables_and_missing(tmp_path: Path) -> None:
    values = make(
        tmp_path,
        {"TOKEN": "from process", "OTHER": "not declared"},
        variables={
            "TOKEN": {"secret": {}},
            "GONE": {"text": {}},
            "EMPTY": {"text": {}},
            "MAYBE": {"text": {}, "required": False},
        },
    )
    found = values.variables()
    assert found["TOKEN"] == Secret("from process")
    assert set(found) == {"A", "B", "C", "PASSWORD", "NODE_ENV", "EMPTY", "TOKEN"}
    assert values.missing() == ["GONE", "EMPTY"]


def test_plain_and_secrets(tmp_path: Path) -> None:
    process = {
        "PORT": "3000",
        "PLAIN_URL": "https://api.example.com",
        "URL": "https://me:p%40ss@api.example.com",
        "DB": "postgres://me:dbpass@db/x",
        "PIN": "123",
        "ONLY_USED": "used-value",
        "ORIGIN": "https://portal.example.com",
    }
    values = make(
        tmp_path,
        process,
        variables={
            "PORT": {"port": {}},
            "PLAIN_URL": {"url": {}},
            "URL": {"url": {}},
            "DB": {"postgres-url": {}},
            "PIN": {"secret": {}},
            "ORIGIN": {"equals": {"value": "$url"}},
        },
        checks=({"id": "x", "use": "http", "settings": {"json": {"p": "${ONLY_USED}"}}},),
    )
    assert [name for name in process if values.plain(name)] == ["PORT", "PLAIN_URL", "ORIGIN"]
    hidden = values.secrets()
    assert {"p%40ss", "p@ss", "dbpass", process["DB"], process["URL"], "hunter22"} <= set(hidden)
    assert "used-value" in hidden
    assert not {"3000", "123", "production", "", "https://portal.example.com"} & set(hidden)
    assert hidden == sorted(hidden, key=lambda one: (-len(one), one))


def test_a_secret_is_told_before_it_is_given_out(tmp_path: Path) -> None:
    environment = Environment(
        name="dev", variables={"DB": {"postgres-url": {}}, "PORT": {"port": {}}}
    )
    process = {"DB": "postgres://me:dbpass@db/x", "PORT": "3000", "UNDECLARED": "not in gonogo.yml"}
    told: set[str] = set()
    values = EnvironmentValues(environment, tmp_path, process=process, learn=told.update)
    values.text("$environment ${PORT}")
    assert told == set()
    values.text("${UNDECLARED}")
    assert told == {"not in gonogo.yml"}
    values.application()
    assert told == {"not in gonogo.yml", "dbpass", process["DB"]}


def test_references_without_a_value_are_told_with_their_place(tmp_path: Path) -> None:
    """GIVEN has a value; the line of shell and the other environment are none of our business."""
    (tmp_path / "gonogo.yml").write_text(
        "app: a\nenvironments:\n  prod: {environment: {X: '${GONE}'}}\n  dev:\n"
        "    build: [{shell: 'echo ${GONE} ${SHELL_S_OWN}'}]\n"
        "    environment:\n      X: http://${GIVEN}/${GONE}\n"
        "    checks: [{id: home, http: {url: 'https://${ALSO_GONE}'}}]\n"
    )
    environment = load(tmp_path / "gonogo.yml", {}).environments["dev"]
    values = EnvironmentValues(environment, tmp_path, process={"GIVEN": "x"})
    assert values.unset() == {"GONE": "gonogo.yml:7:10", "ALSO_GONE": "gonogo.yml:8:37"}
    (tmp_path / "gonogo.yml").write_text("changed: [")
    assert values.unset() == {"GONE": "gonogo.yml", "ALSO_GONE": "gonogo.yml"}


def test_what_was_recorded_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LEVEL=3\nOTHER=here\n")
    environment = Environment(name="dev", env_files=(".env",), variables={"LEVEL": {"integer": {}}})
    values = EnvironmentValues(environment, tmp_path, process={"LEVEL": "4"})
    assert values.text("${LEVEL} ${OTHER}") == "4 here"
    earlier = EnvironmentValues(
        environment, tmp_path, process={"LEVEL": "4"}, recorded={"LEVEL": "2"}
    )
    assert earlier.text("${LEVEL} ${OTHER}") == "2 here"
    assert earlier.application()["LEVEL"] == "2"

"""The commented sample is valid, complete, and agrees with the published schema."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from gonogo import config
from gonogo.config.document import plain, read
from gonogo.config.load import load
from gonogo.config.schema import published_schema
from gonogo.config.variables import TYPES
from gonogo.model import configuration as model

from .test_config_load import BAD

SAMPLE = Path(config.__file__).parent / "sample.yml"

HIDDEN = {("Environment", "name")}


def test_valid(plugins: Any) -> None:
    assert load(SAMPLE, plugins).app == "portal"
    assert load(SAMPLE, {}).app == "portal"


@pytest.mark.parametrize(
    ("type_", "field"),
    [
        (type_.__name__, field.name)
        for type_ in vars(model).values()
        if isinstance(type_, type) and dataclasses.is_dataclass(type_)
        for field in dataclasses.fields(type_)
    ],
)
def test_every_key_is_in_the_sample(type_: str, field: str) -> None:
    if (type_, field) not in HIDDEN:
        assert f"{field}:" in SAMPLE.read_text()


@pytest.mark.parametrize("type_", TYPES)
def test_every_variable_type_is_in_the_sample(type_: str) -> None:
    variables = plain(read(SAMPLE).at("environments", "production", "variables"))
    assert type_ in {
        name for one in variables.values() for name in ([one] if isinstance(one, str) else one)
    }


def test_schema_accepts_the_sample(plugins: Any) -> None:
    schema = json.loads(published_schema(plugins))
    jsonschema_rs.validator_for(schema).validate(plain(read(SAMPLE)))


OF_TYPES = [
    "unknown-key", "unknown-key-deep", "misspelt-required", "missing-app", "missing-in-person",
    "port-is-text", "port-too-big", "port-is-a-flag", "command-is-text", "command-and-shell",
    "command-empty", "build-is-one-command", "bad-duration", "unknown-source", "app-name",
    "environment-name", "environment-name-inside", "unknown-engine", "two-engines",
    "unknown-check", "two-checks", "check-without-kind", "check-without-id", "check-setting",
    "check-setting-missing", "check-severity", "variable-type", "variable-name",
    "variable-option", "on-no-go", "yes-is-text", "text-is-number", "health-path", "url-scheme",
    "list-for-mapping", "step-without-kind", "step-with-two", "step-unknown-action", "waiver-date",
]  # fmt: skip


@pytest.mark.parametrize("name", OF_TYPES)
def test_schema_refuses_what_the_loader_refuses(name: str, plugins: Any) -> None:
    schema = json.loads(published_schema(plugins))
    path = next(path for path in BAD if path.stem == name)
    assert not jsonschema_rs.validator_for(schema).is_valid(plain(read(path)))


def test_schema_describes_every_record(plugins: Any) -> None:
    schema = json.loads(published_schema(plugins))
    for name in ("Service", "Environment", "Watch"):
        assert schema["$defs"][name]["description"]
    jsonschema_rs.meta.validate(schema)

"""The examples in the documentation are read as `gonogo.yml` would be."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
import yaml

from gonogo.config.load import settings

from .test_conformance import DOCS, NAMES

EXAMPLE = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def entries(name: str) -> list[dict[str, Any]]:
    found = []
    for block in EXAMPLE.findall((DOCS / f"{name}.md").read_text()):
        whole = yaml.safe_load(block)
        found += whole["checks"] if isinstance(whole, dict) else whole
    return found


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_settings(name: str) -> None:
    type_ = importlib.import_module(f"gonogo.checks.{name}").Settings
    written = entries(name)
    assert written
    for entry in written:
        assert set(entry) == {"id", name}
        settings(type_, entry[name], entry["id"])

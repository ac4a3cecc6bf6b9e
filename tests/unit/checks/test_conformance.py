"""What every check must be, whatever it looks at."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any

import pytest

import gonogo.checks
from gonogo.model.configuration import Service
from gonogo.model.evidence import Verdict

from .fakes import probe, scene

FOLDER = Path(gonogo.checks.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.name.startswith("_"))
DOCS = Path(__file__).parents[3] / "docs" / "reference" / "checks"

NOTHING_TO_JUDGE: dict[str, dict[str, Any]] = {
    "changed_secrets": {},
    "command": {},
    "disk": {"free": "", "percent": ""},
    "file": {"path": "somewhere"},
    "http": {"path": "/health"},
    "journey": {},
    "log_errors": {"patterns": ()},
    "migrations": {"release": "live"},
    "postgres": {},
    "process": {},
    "queue": {},
    "redis": {},
    "rollout": {},
    "tcp": {},
    "tls": {},
    "variables": {},
}


def load(name: str) -> Any:
    return importlib.import_module(f"gonogo.checks.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_has_the_parts(name: str) -> None:
    module = load(name)
    check = module.CHECK
    assert module.__doc__
    assert check.settings is module.Settings
    assert module.Settings.__doc__
    assert check.stage in ("before", "after")


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_frozen_and_all_have_defaults(name: str) -> None:
    settings = load(name).Settings
    assert dataclasses.is_dataclass(settings)
    assert settings.__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(settings))
    settings()


@pytest.mark.parametrize("name", NAMES)
def test_describe_is_pure(name: str) -> None:
    check = load(name).CHECK
    nothing: Any = None
    bare = scene(
        environment={"url": "http://a.test", "services": {"web": Service(port=1)}},
        host=nothing, engine=nothing, target=nothing, workshop=nothing, values=nothing,
    )  # fmt: skip
    settings = check.settings(**NOTHING_TO_JUDGE[name])
    assert list(check.describe(settings, bare)) == list(check.describe(settings, bare))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_judge_is_undecided(name: str) -> None:
    class Unasked:
        async def pending(self, *_: Any) -> None:
            return None

    bare = scene(migrator=Unasked(), previous=None)
    finding = probe(load(name).CHECK, bare, **NOTHING_TO_JUDGE[name])
    assert finding.verdict is Verdict.UNDECIDED
    assert finding.found


@pytest.mark.parametrize("name", NAMES)
def test_is_documented_with_every_setting(name: str) -> None:
    page = (DOCS / f"{name}.md").read_text()
    for field in dataclasses.fields(load(name).Settings):
        assert f"`{field.name}`" in page

"""Plug-ins that exist only here, so that these tests do not depend on the real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from gonogo.kits import compose
from gonogo.model.configuration import Command, Duration


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """Nothing to set."""


@dataclass(frozen=True, kw_only=True)
class Http:
    """One request."""

    url: str = ""
    path: str = ""
    method: Literal["GET", "POST"] = "GET"
    expect: tuple[str, ...] = ()
    timeout: Duration = Duration("10s")

    def __post_init__(self) -> None:
        if self.url and self.path:
            raise ValueError("url is a whole address: leave out path")


@dataclass(frozen=True, kw_only=True)
class Tcp:
    """A port that must be open."""

    port: int
    host: str = "localhost"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A command that must succeed."""

    command: Command


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Requests in order."""

    requests: tuple[Http, ...]


class Lazy(Mapping[str, type[Any]]):
    """Notes which settings were asked for."""

    def __init__(self, types: dict[str, type[Any]]) -> None:
        self.types = types
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> type[Any]:
        self.asked.add(name)
        return self.types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.types)

    def __len__(self) -> int:
        return len(self.types)


def make_plugins() -> dict[str, Lazy]:
    checks = {
        "http": Http,
        "tcp": Tcp,
        "command": Run,
        "journey": Requests,
        "log_errors": NoSettings,
    }
    actions = {"build": NoSettings, "launch": NoSettings, "guard_schema": Tcp}
    return {
        "checks": Lazy(checks),
        "actions": Lazy(actions),
        "engines": Lazy({"local": NoSettings, "compose": compose.Settings}),
        "sources": Lazy({"proxy": NoSettings, "none": NoSettings, "access_log": NoSettings}),
    }


@pytest.fixture(scope="session")
def plugins() -> dict[str, Lazy]:
    return make_plugins()

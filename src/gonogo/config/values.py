"""Resolves references at the moment of use, and knows which values must not be seen.

A value comes from the environment of the process or, failing that, from the env files, of which a
later one wins. Nothing is read before it is asked for, and values are never expanded again. What
must not be seen is told to whoever redacts before it is given out: an env file may change in a run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gonogo.config.document import where
from gonogo.config.find import FILE
from gonogo.config.variables import PLAIN
from gonogo.model.configuration import Environment
from gonogo.model.errors import PermanentError
from gonogo.model.reference import REFERENCE, needed, references
from gonogo.model.secret import Secret

_SHORTEST = 4
_COMMON = frozenset({"true", "false", "none", "null", "development", "production", "staging"})
_COMMON |= {"test", "localhost", "127.0.0.1", "debug", "info", "warn", "warning", "error"}
"""Not hidden when an undeclared variable has them: redacting these words would spoil every line."""


class EnvironmentValues:
    """The values of one environment. Fulfils ports.Values."""

    def __init__(
        self,
        environment: Environment,
        project: Path,
        *,
        release: str = "",
        recorded: Mapping[str, str] | None = None,
        process: Mapping[str, str] | None = None,
        more: Iterable[str] = (),
        learn: Callable[[Iterable[str]], None] = lambda secrets: None,
    ) -> None:
        """recorded: plain values of an earlier release, which win over today's.

        more: texts outside the environment with references of their own, such as channels.

        learn hears every secret before it is given out.
        """
        self._environment = environment
        self._project = project
        self._recorded = recorded or {}
        self._process = os.environ if process is None else process
        self._facts = {
            "url": environment.url,
            "release": release,
            "environment": environment.name,
            "project": str(project),
        }
        self._more = tuple(more)
        self._learn = learn

    def text(self, reference: str) -> str:
        """The text with `${NAME}`, `$url`, `$release`, `$environment`, `$project` put in.

        PermanentError naming what has no value.
        """
        return REFERENCE.sub(self._put_in, reference)

    def _put_in(self, match: re.Match[str]) -> str:
        name, fact = match.groups()
        if name is None:
            value = self._facts[fact]
            if not value:
                raise PermanentError(f"${fact} has no value here")
            return self.text(value) if fact == "url" and "$url" not in value else value
        found = self.get(name)
        if found is None:
            files = self._environment.env_files
            raise PermanentError(
                f"{name} has no value",
                next_step=f"put {name} into {files[-1]}" if files else f"export {name}=...",
            )
        return found

    def get(self, name: str) -> str | None:
        """A variable's value, None when it has none."""
        value = self._found(name)
        if value is not None:
            self._learn(self._hidden(name, value))
        return value

    def _found(self, name: str) -> str | None:
        for place in (self._recorded, self._process, self._files):
            if (value := place.get(name)) is not None:
                return value
        return None

    @cached_property
    def _files(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for file in self._environment.env_files:
            found |= _env_file(self._project / file, file)
        return found

    def variables(self) -> Mapping[str, Secret]:
        """Every declared variable that has a value, and everything from the env files."""
        names = {**self._files, **self._environment.variables}
        return {name: Secret(value) for name in names if (value := self.get(name)) is not None}

    def application(self, flags: Mapping[str, str] | None = None) -> Mapping[str, str | Secret]:
        """What every command of the application gets: the variables and `environment`.

        flags are variables that win over all others.
        """
        if flags:
            return {**self._with(flags).application(), **flags}
        given: dict[str, str | Secret] = {
            name: value.reveal() if self.plain(name) else value
            for name, value in self.variables().items()
        }
        for name, text in self._environment.environment.items():
            value = self.text(text)
            hidden = any(not self.plain(one) for one in references(text))
            given[name] = Secret(value) if hidden else value
        return given

    def _with(self, flags: Mapping[str, str]) -> EnvironmentValues:
        """The same with variables that win over all others."""
        return EnvironmentValues(
            self._environment,
            self._project,
            release=self._facts["release"],
            recorded={**self._recorded, **flags},
            process=self._process,
            more=self._more,
            learn=self._learn,
        )

    def facts(self) -> Mapping[str, str]:
        """What `$url`, `$release`, `$environment` and `$project` stand for."""
        return self._facts

    def missing(self) -> Sequence[str]:
        """Declared variables that have no value and need one."""
        return [
            name
            for name, declaration in self._environment.variables.items()
            if not self.get(name) and declaration.get("required", True)
        ]

    def unset(self) -> Mapping[str, str]:
        """Variables the environment refers to that have no value, each with its place."""
        names = sorted(name for name in needed(self._environment) if self._found(name) is None)
        file, path = self._project / FILE, ("environments", self._environment.name)
        return {name: f"{FILE}{where(file, f'${{{name}}}', *path)}" for name in names}

    @cached_property
    def _declared(self) -> dict[str, tuple[str, dict[str, Any]]]:
        return {
            name: next((type_, options) for type_, options in one.items() if type_ != "required")
            for name, one in self._environment.variables.items()
        }

    def plain(self, name: str) -> bool:
        """Whether a value may be seen: by its type, as a flag, or as one of Compose's own."""
        ours = name.startswith("COMPOSE_") or name in self._environment.flags
        if ours and name not in self._declared:
            return True
        type_, options = self._declared.get(name, ("", {}))
        if type_ == "equals":
            return "${" not in options["value"]
        if type_ == "url":
            return not _passwords(self._found(name) or "")
        return type_ in PLAIN

    def secrets(self) -> list[str]:
        """Every value to redact, longest first: all that is not plain, and passwords in URLs.

        A variable that is only referenced (`${NAME}`) counts, declared or not.
        """
        names = {
            *self._files,
            *self._declared,
            *references([asdict(self._environment), self._more]),
        }
        hidden: set[str] = set()
        for name in names:
            hidden |= self._hidden(name, self._found(name) or "")
        for text in (self._environment.url, *self._more):
            hidden.update(_passwords(REFERENCE.sub("", text)))
        return sorted((one for one in hidden if len(one) >= _SHORTEST), key=lambda s: (-len(s), s))

    def _hidden(self, name: str, value: str) -> set[str]:
        """What of a variable's value must not be seen."""
        if self.plain(name):
            return set()
        common = value.lower() in {*_COMMON, *self._facts.values()}
        whole = {value} if name in self._declared or not common else set()
        return whole | _passwords(value)


def _env_file(path: Path, name: str) -> dict[str, str]:
    from dotenv import dotenv_values

    try:
        if not path.is_file():
            raise PermanentError(f"there is no env file {name}")
        found = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(f"the env file {name} cannot be read: {error}") from None
    return {key: value for key, value in found.items() if value is not None}


def _passwords(text: str) -> set[str]:
    """The password of a URL, as written and as meant."""
    if "://" not in text:
        return set()
    try:
        password = urlsplit(text).password
    except ValueError:
        password = text.partition("://")[2].rpartition("@")[0].partition(":")[2]
    return {password, unquote(password)} if password else set()

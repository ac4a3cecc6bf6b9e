"""A Docker engine with one PostgreSQL in it, as far as PostgresDatabase can see: in memory.

A database is its schema and its rows. A dump is those two as JSON, so that it can be damaged.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.databases import _postgres_scripts as scripts
from gonogo.hosts.local import LocalHost
from gonogo.model.configuration import Command
from gonogo.model.secret import Secret
from gonogo.ports import Completed, Say

COMPOSE = ("docker", "compose", "-p", "portal")
Data = tuple[str, tuple[int, ...]]


class Killed(BaseException):
    """gonogo dies here."""


@dataclass
class FakePostgres(LocalHost):
    """A host whose commands are carried out here, in memory.

    The call of number die_at kills; with late, after it was carried out.
    The call of number fail_at fails and prints its whole environment. late_users come while a
    restore works. damage is what goes wrong: a file on its way out or in, or a restored schema.
    """

    name: str = "portal"
    databases: dict[str, Data] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    creates: bool = True
    owns: bool = True
    free: int = 10**9
    data: int = 10**9
    up: bool = True
    damage: str = ""
    undumpable: set[str] = field(default_factory=set)
    die_at: int = 0
    late: bool = False
    fail_at: int = 0
    late_users: list[str] = field(default_factory=list)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    environments: list[dict[str, str | Secret]] = field(default_factory=list)

    @property
    def restored(self) -> str:
        return f"{self.name}_gonogo_restore"

    @property
    def replaced(self) -> str:
        return f"{self.name}_gonogo_replaced"

    async def run(
        self,
        command: Command,
        *,
        cwd: str,
        environment: Mapping[str, str | Secret],
        timeout: float,
        say: Say,
    ) -> Completed:
        assert isinstance(command, tuple) and command[:4] == COMPOSE and cwd == "/"
        self.calls.append(command)
        self.environments.append(dict(environment))
        number = len(self.calls)
        if self.die_at and number >= self.die_at + self.late:
            raise Killed
        if number == self.fail_at:
            shown = {name: _shown(value) for name, value in environment.items()}
            return Completed(code=1, output=f"error: told {shown}\n", seconds=0)
        try:
            stdout = self._compose(command[4:], environment)
        except Wrong as wrong:
            return Completed(code=wrong.code, output=f"{wrong}\n", seconds=0)
        finally:
            if self.die_at == number:
                raise Killed
        for line in stdout.splitlines():
            say(line)
        return Completed(code=0, output=stdout, stdout=stdout, seconds=0)

    def _compose(self, words: Sequence[str], environment: Mapping[str, str | Secret]) -> str:
        if not self.up:
            raise Wrong('service "db" is not running', 1)
        if words[0] == "cp":
            return self._cp(*words[1:])
        assert words[:4] == ("exec", "-T", "--user", "0")
        service = words.index("db")
        given = words[4:service]
        assert given[::2] == ("-e",) * 5 and set(given[1::2]) == set(environment)
        database = _shown(environment["PGDATABASE"])
        return self._tool(words[service + 1], list(words[service + 2 :]), database)

    def _cp(self, source: str, to: str) -> str:
        if source.startswith("db:"):
            content = self.files[source.removeprefix("db:")]
            Path(to).write_bytes(content[:-1] + b"?" if self.damage == "out" else content)
        else:
            content = Path(source).read_bytes()
            self.files[to.removeprefix("db:")] = content[:-1] if self.damage == "in" else content
        return ""

    def _tool(self, tool: str, words: list[str], database: str) -> str:
        tools: dict[str, Callable[[list[str], str], str]] = {
            "psql": self._psql,
            "pg_dump": self._pg_dump,
            "pg_restore": self._pg_restore,
            "sh": self._sh,
        }
        if tool == "rm":
            self.files.pop(words[1], None)
        if tool == "sha256sum":
            return f"{hashlib.sha256(self.files[words[0]]).hexdigest()}  {words[0]}\n"
        return tools[tool](words, database) if tool in tools else ""

    def _pg_dump(self, words: list[str], database: str) -> str:
        if database in self.undumpable:
            raise Wrong("pg_dump: error: invalid page in block 7", 1)
        self.files[words[-1].removeprefix("--file=")] = json.dumps(self._data(database)).encode()
        return ""

    def _pg_restore(self, words: list[str], database: str) -> str:
        assert self.databases[database] == ("", ())
        schema, rows = self._dump(words[-1])
        self.databases[database] = (schema + self.damage, rows)
        return ""

    def _sh(self, words: list[str], database: str) -> str:
        script, words = words[1], words[3:]
        if script == scripts.FILE:
            for old in [each for each in self.files if each.startswith(words[0])]:
                del self.files[old]
            path = f"{words[0]}{len(self.calls):06}"
            self.files[path] = b""
            return f"{path}\n{self.free // 1024}\n{self.data // 1024}\n"
        schema, rows = self._data(database) if words[1] == "pg_dump" else self._dump(words[-1])
        if script == scripts.DECODE:
            return f"rows\t{len(rows)}\tpublic.t\n"
        assert script == scripts.DIGEST
        return f"{hashlib.sha256(schema.encode()).hexdigest()}  -\n"

    def _data(self, database: str) -> Data:
        if database not in self.databases:
            raise Wrong(f'pg_dump: error: FATAL:  database "{database}" does not exist', 1)
        return self.databases[database]

    def _dump(self, path: str) -> Data:
        try:
            schema, rows = json.loads(self.files[path])
        except ValueError:
            raise Wrong(
                "pg_restore: error: could not read from input file: end of file", 1
            ) from None
        return schema, tuple(rows)

    def _psql(self, words: list[str], database: str) -> str:
        """Statements by how they begin."""
        commands = [each for each in words if each.startswith("--command=")]
        return "".join(self._sql(each.removeprefix("--command="), database) for each in commands)

    def _sql(self, sql: str, database: str) -> str:
        if sql == "ANALYZE":
            self.users += self.late_users
            return ""
        assert database == "postgres"
        if sql.startswith("SELECT count(pg_terminate_backend"):
            return "0\n"
        if sql.startswith("SELECT json_build_object"):
            return self._state()
        if sql.startswith("DO $swap$"):
            self._swap()
        if made := re.match('CREATE DATABASE "(.*)"', sql):
            assert made[1] not in self.databases
            self.databases[made[1]] = ("", ())
        if dropped := re.fullmatch(r'DROP DATABASE IF EXISTS "(.*)" WITH \(FORCE\)', sql):
            assert dropped[1] in (self.replaced, self.restored)
            self.databases.pop(dropped[1], None)
        return ""

    def _state(self) -> str:
        there = {name: 1000 for name in (self.name, self.replaced) if name in self.databases}
        state = {
            "databases": there,
            "create": f'CREATE DATABASE "{self.restored}"',
            "creates": self.creates,
            "owns": self.owns,
            "users": self.users,
        }
        return json.dumps(state) + "\n"

    def _swap(self) -> None:
        if self.users:
            raise Wrong(f'ERROR:  database "{self.name}" is being accessed by other users', 1)
        if self.name in self.databases:
            assert self.replaced not in self.databases
            self.databases[self.replaced] = self.databases.pop(self.name)
        self.databases[self.name] = self.databases.pop(self.restored)


class Wrong(Exception):
    """A tool ends with another code than 0."""

    def __init__(self, said: str, code: int) -> None:
        super().__init__(said)
        self.code = code


def _shown(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value

"""PostgreSQL's own tools, run inside the container of a Docker Compose service.

So they always have the server's version, and nothing has to be installed or published. The password
goes by the environment alone: `-e PGPASSWORD` names it, the docker client brings its value.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gonogo.databases import _postgres_scripts as scripts
from gonogo.databases._postgres_address import Address
from gonogo.model.errors import GonogoError, PermanentError, Refused, TemporaryError
from gonogo.model.redaction import Redactor
from gonogo.model.secret import Secret
from gonogo.ports import Completed, Host, Say

FOLDER = "/var/tmp"
"""Where files lie inside. `docker cp` cannot read from memory, which /tmp may be."""

LONG = 24 * 3600.0
"""For what takes as long as the database is big; the limit that counts is the step's."""

LOOKING = "gonogo"
"""How sessions are called that only look. Those of a copy or restore are called by the mark."""

SCHEMA_ONLY = ("--schema-only", "--no-owner", "--no-privileges")

_VARIABLES = ("PGHOST", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGAPPNAME")
_QUICK = 300.0
_TELLING = re.compile(r"\b(error|fatal|panic):", re.IGNORECASE)
_NO_PROGRAM = (126, 127)
_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The sha256 of no text at all."""


def _silent(line: str) -> None:
    """Takes a line that nobody is to see."""


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True, kw_only=True)
class State:
    """How things are on the server: what scripts.STATE selects.

    databases has the sizes of this database and the replaced one, as far as they are there. create
    makes another like it. creates and owns: whether the role may make databases, and this one is
    its own. users: whose sessions there are.
    """

    databases: dict[str, int]
    create: str
    creates: bool
    owns: bool
    users: list[str]


@dataclass(frozen=True, kw_only=True)
class Inside:
    """The container of a service, and the database in it, for the time of one operation.

    sessions is what the server calls ours.
    """

    host: Host
    compose: tuple[str, ...]
    service: str
    address: Address
    sessions: str = LOOKING

    def marked(self) -> Inside:
        """The same, with sessions that the next one ends should they outlive this process."""
        return replace(self, sessions=self.address.mark)

    def command(self, *command: str) -> tuple[str, ...]:
        """The command line that runs a command inside, as root: what is copied in is root's."""
        variables = (part for name in _VARIABLES for part in ("-e", name))
        return (*self.compose, "exec", "-T", "--user", "0", *variables, self.service, *command)

    def taking(self, file: str, to: Path) -> tuple[str, ...]:
        """The command line that copies a file out."""
        return (*self.compose, "cp", f"{self.service}:{file}", str(to))

    def putting(self, source: Path, file: str) -> tuple[str, ...]:
        """The command line that copies a file in."""
        return (*self.compose, "cp", str(source), f"{self.service}:{file}")

    async def run(
        self, *command: str, database: str = "", timeout: float = _QUICK, say: Say = _silent
    ) -> str:
        """Run a command inside and give its standard output; database is the one it works on."""
        done = await self._run(self.command(*command), database, timeout, say)
        if done.code != 0:
            tools = (each for each in command if each.startswith("pg_"))
            raise await self._failed(next(tools, command[0]), done)
        return done.stdout.strip()

    async def sql(self, *statements: str, database: str = "", timeout: float = _QUICK) -> str:
        """Run SQL, each in a transaction of its own, in the maintenance database or another."""
        return await self.run(
            *("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"),
            "--set=ON_ERROR_STOP=1",
            *(f"--command={each}" for each in statements),
            database=database or self.address.maintenance,
            timeout=timeout,
        )

    async def swap(self) -> None:
        """The restored database in the place of the one there is, in one transaction."""
        await self.sql(self._about(scripts.SWAP))

    async def state(self) -> State:
        """How things are on the server."""
        return State(**json.loads(await self.sql(self._about(scripts.STATE))))

    async def take_over(self) -> State:
        """The same, once whatever a killed copy or restore left working was ended."""
        said = await self.sql(self._about(scripts.END_SESSIONS), self._about(scripts.STATE))
        return State(**json.loads(said.splitlines()[-1]))

    @asynccontextmanager
    async def file(self, size: int, *, data: int = 0) -> AsyncIterator[str]:
        """A private file, gone in the end. Refused without space for it and for the data."""
        name = f"{FOLDER}/{self.address.mark}-"
        path, *free = (await self.run("sh", "-c", scripts.FILE, "sh", name)).splitlines()
        try:
            for where, need, kilobytes in zip(
                (FOLDER, "its data"), (size, data), free, strict=True
            ):
                if need > int(kilobytes) * 1024:
                    raise Refused(
                        f"the container of {self.service} needs {need // 2**20} MB for {where}, "
                        f"and {int(kilobytes) // 1024} MB are free",
                        next_step="make space on the disk of the containers",
                    )
            yield path
        finally:
            with suppress(GonogoError):
                await self.run("rm", "-f", path)

    async def take(self, file: str, to: Path) -> None:
        """Copy a file out."""
        await self._copy(self.taking(file, to))

    async def put(self, source: Path, file: str) -> None:
        """Copy a file in."""
        await self._copy(self.putting(source, file))

    async def sha256(self, file: str) -> str:
        """The sha256 of a file."""
        return (await self.run("sha256sum", file, timeout=LONG))[:64]

    async def rows(self, dump: str) -> dict[str, int]:
        """Decode all data of a dump: rows per table, as they are in the dump."""
        lines: list[str] = []
        reading = ("pg_restore", "--data-only", "--file=-", dump)
        decode = ("sh", "-c", scripts.DECODE, "sh", scripts.ROWS)
        await self.run(*decode, *reading, timeout=LONG, say=lines.append)
        found = (line.split("\t", 2) for line in lines if line.startswith("rows\t"))
        return {table: int(count) for _, count, table in found}

    async def fingerprint(self, *command: str, database: str = "") -> str:
        """A hash of the schema that a command writes; empty when there is no table in it."""
        digest = await self.run(
            *("sh", "-c", scripts.DIGEST, "sh", scripts.SCHEMA, *command),
            database=database,
        )
        return "" if digest[:64] == _NOTHING else digest[:64]

    def _about(self, script: str) -> str:
        """SQL of scripts about this database."""
        address = self.address
        names = {
            "database": address.database,
            "restored": address.restored,
            "replaced": address.replaced,
            "mark": address.mark,
        }
        return script.format(**{each: _literal(name) for each, name in names.items()})

    async def _copy(self, command: Sequence[str]) -> None:
        done = await self._run(command, "", LONG, _silent)
        if done.code != 0:
            raise await self._failed("docker compose cp", done)

    async def _run(
        self, command: Sequence[str], database: str, timeout: float, say: Say
    ) -> Completed:
        # The folder is none of the team's: Compose would read the compose file that lies there.
        environment: dict[str, str | Secret] = {
            "PGHOST": "127.0.0.1",
            "PGUSER": self.address.user,
            "PGDATABASE": database or self.address.database,
            "PGPASSWORD": self.address.password,
            "PGAPPNAME": self.sessions,
        }
        return await self.host.run(
            tuple(command), cwd="/", environment=environment, timeout=timeout, say=say
        )

    async def _failed(self, program: str, done: Completed) -> GonogoError:
        """Temporary while the server does not answer: it may be starting, or stopped."""
        hidden = Redactor([self.address.password.reveal()])
        message = f"{program} failed in service {self.service}: {_reason(hidden.text(done.output))}"
        ready = await self._run(self.command("pg_isready", "--quiet"), "", _QUICK, _silent)
        if ready.code == 0 or ready.code in _NO_PROGRAM:
            return PermanentError(message)
        return TemporaryError(message, next_step=" ".join([*self.compose, "ps", self.service]))


def _reason(output: str) -> str:
    """The last line that tells of an error; after it come details, which may be somebody's data."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    return (telling or lines or ["it said nothing"])[-1]

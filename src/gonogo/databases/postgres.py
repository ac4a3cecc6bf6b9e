"""A PostgreSQL that runs as a service of a Docker Compose project: copies, and putting one back.

A copy is a dump in pg_dump's custom format, consistent while the application goes on. It counts
only once it was decoded whole and its manifest lies beside it.

Restoring never touches the database in place. A new database is made from the copy and compared
with it; then the two change names in one transaction, so that a kill leaves either the one or the
other. What was replaced is dropped only once there is a copy of it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from gonogo.databases._copies import Copies, sha256
from gonogo.databases._postgres_address import address_of, identifier
from gonogo.databases._postgres_inside import FOLDER, LONG, SCHEMA_ONLY, Inside, State
from gonogo.model.errors import GonogoError, PermanentError, Refused
from gonogo.model.plan import Operation
from gonogo.model.secret import Secret
from gonogo.model.target import Copy
from gonogo.ports import Clock, Database, Host

_SPARE = 50 * 1024 * 1024
_DUMP = ("pg_dump", "--format=custom", "--lock-wait-timeout=60s")
_LOOK = ("pg_dump", *SCHEMA_ONLY, "--lock-wait-timeout=60s")
_RESTORE = ("pg_restore", "--exit-on-error", "--no-owner", "--dbname=")
"""An empty --dbname is the one that PGDATABASE names, whatever characters are in it.

Not in a single transaction: that locks every table at once, for which the server has no room when
there are some thousand. Until the swap nobody sees what a failed restore left.
"""


class PostgresDatabase:
    """The database that url names, in a service of the project that compose stands for.

    compose is the command line as far as the project: `docker compose -p portal`.
    """

    def __init__(
        self,
        *,
        host: Host,
        compose: Sequence[str],
        service: str,
        url: Callable[[], str | Secret],
        copies_folder: Path,
        clock: Clock,
    ) -> None:
        self._host = host
        self._compose = tuple(compose)
        self._service = service
        self._url = url
        self._copies = Copies(copies_folder.absolute())
        self._clock = clock

    def describe(self, verb: str, name: str) -> Sequence[Operation]:
        """What copy or restore will do."""
        inside = self._inside()
        address, file = inside.address, f"{FOLDER}/{inside.address.mark}-XXXXXX"
        copy = self._copies.file(name)
        done: tuple[str | tuple[str, ...], ...]
        if verb == "restore":
            done = (
                f"verify copy {name}: sha256",
                f"refuse while a client is connected to {address.database}",
                inside.putting(copy, file),
                f"create database {address.restored}",
                inside.command(*_RESTORE, file),
                f"compare the schema of {address.restored} with copy {name}",
                f"rename {address.database} to {address.replaced} and {address.restored} to "
                f"{address.database}, in one transaction",
                f"copy {address.replaced}, then drop it",
            )
        else:
            done = (
                inside.command(*_DUMP, f"--file={file}"),
                f"decode {file} whole: rows per table, schema, sha256",
                inside.taking(file, copy),
                f"verify copy {name}: sha256",
            )
        texts = (each if isinstance(each, str) else " ".join(each) for each in done)
        return [Operation(where="database", what=what) for what in texts]

    async def copy(self, name: str) -> Copy:
        """A consistent copy, checked by reading it back; the one already there is returned."""
        with self._copies.alone():
            there = await asyncio.to_thread(self._found, name)
            if there:
                return there
            inside = self._inside(alone=True)
            database = inside.address.database
            state = await inside.take_over()
            if database not in state.databases:
                raise PermanentError(
                    f"there is no database {database} to copy",
                    next_step="check the setting `database` or create the database first",
                )
            return await self._copy(inside, name, database, state.databases[database])

    async def copies(self) -> Sequence[Copy]:
        """The copies that are whole, newest first."""
        return await asyncio.to_thread(self._copies.all)

    async def verify(self, name: str) -> Copy:
        """Read a copy back whole and note when. PermanentError unless it is as it was made."""
        with self._copies.alone():
            copy = await asyncio.to_thread(self._copies.need, name)
            inside = self._inside()
            async with inside.file(copy.size + _SPARE) as dump:
                await self._put(inside, copy, dump)
                rows = await inside.rows(dump)
                schema = ("pg_restore", *SCHEMA_ONLY, "--file=-", dump)
                fingerprint = await inside.fingerprint(*schema)
        if (rows, fingerprint) != (copy.rows, copy.fingerprint):
            raise PermanentError(
                f"copy {name} is not what its manifest says", next_step="use another copy"
            )
        return await asyncio.to_thread(self._copies.verified, copy, self._clock.now())

    async def restore(self, name: str) -> None:
        """Put a copy in the place of the database, atomically. Writers must be stopped."""
        with self._copies.alone():
            copy = await asyncio.to_thread(self._found, name)
            if copy is None:
                raise PermanentError(
                    f"there is no copy {name}",
                    next_step="check the name: a copy is named in the manifest of its release",
                )
            inside = self._inside(alone=True)
            state = await inside.take_over()
            _need_nobody(inside, state)
            _need_rights(inside, state)
            await self._restore(inside, copy, state)

    async def forget(self, name: str) -> None:
        """Remove a copy; nothing happens when there is none."""
        with self._copies.alone():
            self._copies.remove(name)

    async def fingerprint(self) -> str:
        """A hash of the schema; equal schemas have equal hashes. Empty: no database yet.

        A server that does not answer is an error: nobody knows then what is in it.
        """
        inside = self._inside()
        try:
            return await inside.fingerprint(*_LOOK)
        except PermanentError:
            if inside.address.database in (await inside.state()).databases:
                raise
            return ""

    def _inside(self, *, alone: bool = False) -> Inside:
        """alone: for one who holds the lock of the copies."""
        address = address_of(self._url())
        inside = Inside(
            host=self._host, compose=self._compose, service=self._service, address=address
        )
        return inside.marked() if alone else inside

    def _found(self, name: str) -> Copy | None:
        """A copy that is there, and still the one that was made."""
        copy = self._copies.find(name)
        if copy:
            self._copies.verify(copy)
        return copy

    async def _copy(self, inside: Inside, name: str, database: str, size: int) -> Copy:
        self._copies.sweep()
        self._copies.need_space(size + _SPARE)
        partial = self._copies.new_partial(name)
        try:
            async with inside.file(size + _SPARE) as dump:
                await inside.run(*_DUMP, f"--file={dump}", database=database, timeout=LONG)
                rows = await inside.rows(dump)
                schema = ("pg_restore", *SCHEMA_ONLY, "--file=-", dump)
                fingerprint = await inside.fingerprint(*schema)
                decoded = await inside.sha256(dump)
                await inside.take(dump, partial)
            partial.chmod(0o600)
            if await asyncio.to_thread(sha256, partial) != decoded:
                raise PermanentError(f"copy {name} is not what was dumped (sha256 differs)")
            return await asyncio.to_thread(
                self._copies.keep,
                partial,
                name=name,
                at=self._clock.now(),
                fingerprint=fingerprint,
                rows=rows,
            )
        finally:
            partial.unlink(missing_ok=True)

    async def _restore(self, inside: Inside, copy: Copy, state: State) -> None:
        address, sizes = inside.address, state.databases
        if address.replaced in sizes:
            # An earlier restore was killed after its swap.
            await self._put_away(inside, sizes[address.replaced])
        try:
            await self._make(inside, copy, state)
            await self._swap(inside)
        except BaseException:
            with suppress(GonogoError):
                await inside.sql(_drop(address.restored))
            raise
        if address.database in sizes:
            # What cannot be copied, because it is damaged, stays as the database it is.
            with suppress(PermanentError):
                await self._put_away(inside, sizes[address.database])

    async def _make(self, inside: Inside, copy: Copy, state: State) -> None:
        """A new database from a copy, of which its schema is the proof."""
        restored = inside.address.restored
        size = max(copy.size, state.databases.get(inside.address.database, 0))
        async with inside.file(copy.size + _SPARE, data=size + _SPARE) as dump:
            await self._put(inside, copy, dump)
            await inside.sql(_drop(restored), state.create)
            await inside.run(*_RESTORE, dump, database=restored, timeout=LONG)
        await inside.sql("ANALYZE", database=restored, timeout=LONG)
        if await inside.fingerprint(*_LOOK, database=restored) != copy.fingerprint:
            raise PermanentError(
                f"what was restored from copy {copy.name} has another schema; nothing was changed",
                next_step="use another copy",
            )

    async def _put(self, inside: Inside, copy: Copy, dump: str) -> None:
        await inside.put(self._copies.file(copy.name), dump)
        if await inside.sha256(dump) != copy.sha256:
            raise PermanentError(f"copy {copy.name} did not arrive whole in the container")

    async def _swap(self, inside: Inside) -> None:
        """The server refuses it while anybody is connected to either database."""
        try:
            await inside.swap()
        except PermanentError:
            _need_nobody(inside, await inside.state())
            raise

    async def _put_away(self, inside: Inside, size: int) -> None:
        """Copy what a restore has replaced, then drop it."""
        replaced = inside.address.replaced
        stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(self._clock.now()))
        await self._copy(inside, f"replaced-{stamp}-{secrets.token_hex(2)}", replaced, size)
        await inside.sql(_drop(replaced))


def _drop(database: str) -> str:
    """For a database that gonogo made or replaced, also while somebody looks at it."""
    return f"DROP DATABASE IF EXISTS {identifier(database)} WITH (FORCE)"


def _need_nobody(inside: Inside, state: State) -> None:
    if state.users:
        raise Refused(
            f"{inside.address.database} is in use by {', '.join(state.users)}; "
            "restoring it would lose what is being written",
            next_step="stop the services first, then restore",
        )


def _need_rights(inside: Inside, state: State) -> None:
    role, database = identifier(inside.address.user), identifier(inside.address.database)
    missing = []
    if not state.creates:
        missing.append(f"ALTER ROLE {role} CREATEDB")
    if not state.owns:
        missing.append(f"ALTER DATABASE {database} OWNER TO {role}")
    if missing:
        raise PermanentError(
            f"the role {inside.address.user} may not put a new database in the place of "
            f"{inside.address.database}",
            next_step=f"as a superuser: {'; '.join(missing)}",
        )


FITS: type[Database] = PostgresDatabase

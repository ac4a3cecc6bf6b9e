"""PostgresDatabase with a real PostgreSQL in a real container."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gonogo.databases.postgres import PostgresDatabase
from gonogo.model.errors import PermanentError, Refused, TemporaryError

from .database_server import PASSWORD, KillingHost, Server, identifier, killed, literal
from .engine import docker

PROOF = "GONOGO_PROOF_RESULTS" in os.environ

SCHEMA = """
CREATE TABLE orders (
  id serial PRIMARY KEY, value int NOT NULL, filler text DEFAULT repeat('x', 100),
  status varchar(10) DEFAULT 'open' CHECK (status IN ('open', 'paid')));
CREATE INDEX ON orders (value) WHERE status IN ('open', 'paid');
CREATE TABLE "Order ""Lines"" (x)" (id int, note text);
INSERT INTO "Order ""Lines"" (x)" VALUES (1, E'a\\nb\\\\.\\n'), (2, '\\.'), (3, NULL);
CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM orders WHERE status IN ('open', 'paid');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
SET x = 1;
-- remark
RETURN new; END $$;
"""
LINES = 'public."Order ""Lines"" (x)"'


@pytest.fixture(scope="module")
def server(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("server"))
    try:
        one.start()
        yield one
    finally:
        one.remove()


@pytest.fixture
def name(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with 300 orders of value 1. Its name needs quotes everywhere."""
    one = f"My-DB {random.getrandbits(32):x}"
    make(server, one)
    yield one
    for each in (one, f"{one}_gonogo_replaced", f"{one}_gonogo_restore"):
        server.sql(f"DROP DATABASE IF EXISTS {identifier(each)} WITH (FORCE)")


def make(server: Server, name: str) -> None:
    server.sql(f"CREATE DATABASE {identifier(name)}")
    server.sql(SCHEMA + "INSERT INTO orders (value) SELECT 1 FROM generate_series(1, 300)", name)


def set_value(server: Server, name: str, value: int) -> None:
    """The table shows in the manifest of a copy that it was made afterwards."""
    server.sql(f"UPDATE orders SET value = {value}; CREATE TABLE changed (a int)", name)


def values(server: Server, name: str) -> set[int]:
    return {int(row) for row in server.sql("SELECT DISTINCT value FROM orders", name).split()}


@pytest.fixture
def database(server: Server, name: str, tmp_path: Path) -> PostgresDatabase:
    return server.database(name, tmp_path)


def test_a_copy_tells_what_is_in_it_and_comes_back(
    server: Server, database: PostgresDatabase, name: str
) -> None:
    copy = asyncio.run(database.copy("a"))
    assert copy.rows == {"public.orders": 300, LINES: 3}
    assert copy.fingerprint == asyncio.run(database.fingerprint()) != ""
    assert asyncio.run(database.copies()) == [copy]
    before = server.sql(f"SELECT * FROM {LINES} ORDER BY id", name)
    set_value(server, name, 2)
    server.sql("ALTER TABLE orders ADD note text", name)
    assert asyncio.run(database.fingerprint()) != copy.fingerprint
    asyncio.run(database.restore("a"))
    assert values(server, name) == {1}
    assert server.sql(f"SELECT * FROM {LINES} ORDER BY id", name) == before
    assert server.sql("SELECT * FROM total", name) == "300"
    assert asyncio.run(database.fingerprint()) == copy.fingerprint
    kept = asyncio.run(database.copies())[0]
    assert kept.name.startswith("replaced-")
    asyncio.run(database.restore(kept.name))
    assert values(server, name) == {2}
    assert clean(server, name)


def clean(server: Server, name: str) -> bool:
    """Nothing is left over."""
    beside = {each for each in server.databases() if each.startswith(f"{name}_gonogo")}
    return not server.files() and not beside


def test_a_copy_under_writers_is_one_moment(
    server: Server, database: PostgresDatabase, name: str, tmp_path: Path
) -> None:
    server.sql("CREATE TABLE a (n int); CREATE TABLE b (n int)", name)
    writing = server.connected(
        "DO $$ BEGIN LOOP INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT; END LOOP;"
        " END $$",
        name,
    )
    try:
        copies = [asyncio.run(database.copy(f"c{number}")) for number in range(3)]
    finally:
        server.disconnect(name)
        writing.communicate(timeout=30)
    counts = [copy.rows["public.a"] for copy in copies]
    assert counts == [copy.rows["public.b"] for copy in copies]
    assert 0 < counts[0] < counts[1] < counts[2]
    asyncio.run(database.restore("c1"))
    assert server.sql("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)", name) == (
        f"{counts[1]}|{counts[1]}"
    )


@pytest.mark.parametrize("damage", ["flipped", "truncated"])
def test_a_damaged_copy_is_refused(
    server: Server, database: PostgresDatabase, name: str, tmp_path: Path, damage: str
) -> None:
    asyncio.run(database.copy("a"))
    file = tmp_path / "copies" / "a.db"
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    else:
        del content[random.randrange(len(content)) :]
    file.write_bytes(content)
    set_value(server, name, 2)
    with pytest.raises(PermanentError, match="size" if damage == "truncated" else "sha256"):
        asyncio.run(database.restore("a"))
    assert values(server, name) == {2} and clean(server, name)


def test_a_dump_cut_short_is_no_copy(
    server: Server, database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when pg_dump says all is well: what counts is that it can be decoded."""
    cut = 'pg_dump --format=custom "$1"; exec truncate --size=-300 "${1#--file=}"'
    monkeypatch.setattr("gonogo.databases.postgres._DUMP", ("sh", "-c", cut, "sh"))
    with pytest.raises(PermanentError, match="pg_restore failed"):
        asyncio.run(database.copy("a"))
    assert asyncio.run(database.copies()) == [] and server.files() == []


def test_restore_refuses_while_clients_are_connected(
    server: Server, database: PostgresDatabase, name: str
) -> None:
    asyncio.run(database.copy("a"))
    set_value(server, name, 2)
    client = server.connected("SELECT pg_sleep(100)", name)
    try:
        with pytest.raises(Refused, match=r"in use by somebody \(1\)"):
            asyncio.run(database.restore("a"))
    finally:
        server.disconnect(name)
        client.communicate(timeout=30)
    assert values(server, name) == {2} and clean(server, name)
    asyncio.run(database.restore("a"))
    assert values(server, name) == {1}


def test_a_client_that_comes_last_stops_the_swap(
    server: Server, database: PostgresDatabase, name: str
) -> None:
    asyncio.run(database.copy("a"))
    set_value(server, name, 2)
    inside = database._inside(alone=True)
    server.sql(f"CREATE DATABASE {identifier(inside.address.restored)}")
    client = server.connected("SELECT pg_sleep(100)", name)
    try:
        with pytest.raises(Refused, match="somebody"):
            asyncio.run(database._swap(inside))
    finally:
        server.disconnect(name)
        client.communicate(timeout=30)
    assert values(server, name) == {2}


def test_a_restore_keeps_what_belongs_to_the_database(
    server: Server, database: PostgresDatabase, name: str
) -> None:
    quoted, role = identifier(name), f"role {random.getrandbits(32):x}"
    server.sql(f"CREATE ROLE {identifier(role)}")
    for change in (
        "OWNER TO " + identifier(role),
        "CONNECTION LIMIT 7",
        'SET search_path = app, "My Schema", public',
        "SET app.secret = 'it''s; \\ $swap$ hidden'",
        "SET work_mem = '9MB'",
    ):
        server.sql(f"ALTER DATABASE {quoted} {change}")
    server.sql(f"ALTER ROLE {identifier(role)} IN DATABASE {quoted} SET statement_timeout = '5s'")
    server.sql(f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC")
    server.sql(f"GRANT CONNECT ON DATABASE {quoted} TO {identifier(role)} WITH GRANT OPTION")
    server.sql(f"GRANT TEMPORARY ON DATABASE {quoted} TO PUBLIC")
    look = (
        "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype,"
        " datconnlimit, datacl, (SELECT array_agg((setrole, setconfig) ORDER BY setrole)"
        " FROM pg_db_role_setting WHERE setdatabase = d.oid)"
        f" FROM pg_database d WHERE datname = {literal(name)}"
    )
    before = server.sql(look)
    assert "My Schema" in before and "hidden" in before and role in before
    asyncio.run(database.copy("a"))
    asyncio.run(database.restore("a"))
    assert server.sql(look) == before


def test_a_role_of_its_own_is_enough(server: Server, name: str, tmp_path: Path) -> None:
    role = f"Role {random.getrandbits(32):x}"
    password = literal(PASSWORD)
    server.sql(f"CREATE ROLE {identifier(role)} LOGIN PASSWORD {password}")
    server.sql(f"ALTER DATABASE {identifier(name)} OWNER TO {identifier(role)}")
    server.sql(
        "DO $$ DECLARE one regclass; BEGIN FOR one IN SELECT oid FROM pg_class WHERE relnamespace"
        " = 'public'::regnamespace AND relkind IN ('r', 'm') LOOP EXECUTE format("
        f"'ALTER TABLE %s OWNER TO %I', one, {literal(role)}); END LOOP; END $$",
        name,
    )
    database = server.database(name, tmp_path, role=role)
    asyncio.run(database.copy("a"))
    set_value(server, name, 2)
    with pytest.raises(PermanentError, match="may not put") as caught:
        asyncio.run(database.restore("a"))
    advice = caught.value.next_step.removeprefix("as a superuser: ")
    assert advice == f"ALTER ROLE {identifier(role)} CREATEDB"
    server.sql(advice)
    asyncio.run(database.restore("a"))
    assert values(server, name) == {1}
    owner = f"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = {literal(name)}"
    assert server.sql(owner) == role
    assert server.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'", name) == role


def test_errors_tell_what_to_do_and_no_password(
    server: Server, database: PostgresDatabase, name: str, tmp_path: Path
) -> None:
    wrong = server.database(name, tmp_path, role="nobody")
    with pytest.raises(PermanentError, match="password authentication failed") as denied:
        asyncio.run(wrong.fingerprint())
    none = server.database("none", tmp_path)
    assert asyncio.run(none.fingerprint()) == ""
    with pytest.raises(PermanentError, match="no database none to copy"):
        asyncio.run(none.copy("a"))
    docker("compose", "-p", server.project, "stop")
    try:
        with pytest.raises(TemporaryError, match="not running") as stopped:
            asyncio.run(database.fingerprint())
    finally:
        docker("compose", "-p", server.project, "start")
        server.wait()
    assert stopped.value.next_step == f"docker compose -p {server.project} ps db"
    assert PASSWORD not in f"{denied.value.message} {stopped.value.message}"


def test_an_empty_database_has_no_fingerprint(server: Server, tmp_path: Path) -> None:
    name = f"empty-{random.getrandbits(32):x}"
    server.sql(f"CREATE DATABASE {identifier(name)}")
    database = server.database(name, tmp_path)
    assert asyncio.run(database.fingerprint()) == ""
    assert asyncio.run(database.copy("a")).rows == {}


def numbers(count: int) -> list[int]:
    """All of them for the proof, else a sample."""
    return list(range(1, count + 1)) if PROOF else sorted(random.sample(range(1, count + 1), 3))


@pytest.mark.parametrize("number", numbers(8))
def test_a_copy_killed_before_a_command_is_made_by_the_next(
    server: Server, name: str, tmp_path: Path, number: int
) -> None:
    killing = server.database(name, tmp_path, host=KillingHost(number))
    assert killed(lambda: asyncio.run(killing.copy("a")))
    database = server.database(name, tmp_path)
    assert asyncio.run(database.copies()) == [] or number > 7
    assert asyncio.run(database.copy("a")).rows["public.orders"] == 300
    assert clean(server, name) and not list((tmp_path / "copies").glob(".*.partial"))


@pytest.mark.parametrize("number", numbers(18))
def test_a_restore_killed_before_a_command_is_done_by_the_next(
    server: Server, name: str, tmp_path: Path, number: int
) -> None:
    database = server.database(name, tmp_path)
    asyncio.run(database.copy("a"))
    set_value(server, name, 2)
    killing = server.database(name, tmp_path, host=KillingHost(number))
    assert killed(lambda: asyncio.run(killing.restore("a")))
    there(server, database, name)
    asyncio.run(database.restore("a"))
    assert values(server, name) == {1} and clean(server, name) and kept(database)


def there(server: Server, database: PostgresDatabase, name: str) -> None:
    """The database is the old or the new one, whole, and nothing is lost."""
    now = values(server, name)
    assert now in ({1}, {2})
    if now == {1} and not kept(database):
        assert values(server, f"{name}_gonogo_replaced") == {2}


def kept(database: PostgresDatabase) -> bool:
    """What was written after the copy is in one of the copies of what was replaced."""
    copies = asyncio.run(database.copies())
    return any(one.name.startswith("replaced-") and "public.changed" in one.rows for one in copies)


@pytest.mark.parametrize("seed", range(20 if PROOF else 2))
def test_killed_in_the_middle_of_the_work(
    server: Server, name: str, tmp_path: Path, seed: int
) -> None:
    """The tools inside go on without their client; the next copy or restore ends them."""
    server.sql("INSERT INTO orders (value) SELECT 1 FROM generate_series(1, 400000)", name)
    chance = random.Random(seed)
    database = server.database(name, tmp_path)
    dumping = server.database(name, tmp_path, host=KillingHost(3, chance.uniform(0.2, 1.5)))
    killed(lambda: asyncio.run(dumping.copy("a")))
    assert asyncio.run(database.copy("a")).rows["public.orders"] == 400300
    set_value(server, name, 2)
    number = chance.choice([6, 6, 8, 10, 12, 13, 18])
    restoring = server.database(name, tmp_path, host=KillingHost(number, chance.uniform(0.1, 2)))
    killed(lambda: asyncio.run(restoring.restore("a")))
    there(server, database, name)
    asyncio.run(database.restore("a"))
    assert values(server, name) == {1} and clean(server, name) and kept(database)

"""The check `postgres` against a real server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from unit.checks.fakes import FakeValues, closed_port, probe, scene, silence

from gonogo.checks.postgres import CHECK, Settings
from gonogo.model.configuration import Database
from gonogo.model.evidence import Finding, Verdict

PASSWORD = "p4ss/w0rd%25+x"


def look(url: str, **settings: Any) -> Finding:
    """What is found at the address of a variable, of which nothing may be seen."""
    finding = probe(CHECK, scene(values=FakeValues({"DB": url})), **{"url": "${DB}"} | settings)
    assert finding.where == "${DB}"
    parts = urlsplit(url)
    for secret in (parts.password, parts.hostname):
        assert not secret or secret not in str(finding.to_json())
    return finding


@pytest.fixture
def role(postgres_url: str, postgres_database: str) -> Iterator[str]:
    """The URL of the database for an ordinary role that has a difficult password."""
    name = f"app_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p4ss/w0rd%+x'".encode())
    parts = urlsplit(postgres_database)
    quoted = PASSWORD.replace("/", "%2F")
    yield f"postgresql://{name}:{quoted}@{parts.hostname}:{parts.port}{parts.path}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE {name}".encode())


def test_ready(postgres_database: str) -> None:
    finding = look(postgres_database)
    assert finding.verdict is Verdict.PASS
    assert finding.found.startswith("PostgreSQL 1")
    assert "takes writes" in finding.found
    assert finding.facts["most"] == 200
    assert finding.facts["connections"] >= 1
    assert finding.expected == "takes writes, at most 80% of the connections"
    assert finding.seconds > 0


def test_an_ordinary_role_with_a_difficult_password(role: str) -> None:
    assert look(role).verdict is Verdict.PASS


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+psycopg", "postgresql+asyncpg"])
def test_addresses_as_other_drivers_write_them(postgres_database: str, scheme: str) -> None:
    rest = postgres_database.partition("://")[2]
    url = f"{scheme}://{rest}?schema=public&pool_timeout=5&connect_timeout=3"
    assert look(url).verdict is Verdict.PASS


def test_the_database_of_the_environment(postgres_database: str) -> None:
    whole = scene(
        environment={"database": Database(postgres="${DATABASE_URL}")},
        values=FakeValues({"DATABASE_URL": postgres_database}),
    )
    finding = probe(CHECK, whole)
    assert (finding.verdict, finding.where) == (Verdict.PASS, "${DATABASE_URL}")


def test_read_only(postgres_url: str, role: str) -> None:
    name = urlsplit(role).username
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {name} SET default_transaction_read_only = on".encode())
    finding = look(role)
    assert finding.verdict is Verdict.FAIL
    assert finding.found.startswith("takes no writes: PostgreSQL")
    assert look(role, write=False).verdict is Verdict.PASS


def test_in_recovery(monkeypatch: pytest.MonkeyPatch, postgres_database: str) -> None:
    seen = dict(version="16.4", recovering=True, read_only=True, most=100, connections=1)

    async def standby(options: Any) -> dict[str, Any]:
        return seen

    monkeypatch.setattr("gonogo.checks.postgres._look", standby)
    finding = look(postgres_database)
    assert finding.verdict is Verdict.FAIL
    assert finding.found.startswith("takes no writes: PostgreSQL 16.4, in recovery, 1 of 100")


def test_the_share_of_connections_decides(postgres_database: str) -> None:
    with ExitStack() as open_:
        for _ in range(6):
            open_.enter_context(psycopg.connect(postgres_database))
        finding = look(postgres_database, warn_share="2.5%", fail_share="99%")
        assert finding.verdict is Verdict.WARN
        assert finding.found.startswith("few connections are left: ")
        finding = look(postgres_database, warn_share="1%", fail_share="2.5%")
        assert finding.verdict is Verdict.FAIL


def test_what_the_server_says_is_shown_without_the_address(postgres_database: str) -> None:
    parts = urlsplit(postgres_database)
    wrong = postgres_database.replace(f":{parts.password}@", ":not-this-one@")
    finding = look(wrong)
    assert finding.verdict is Verdict.FAIL
    assert finding.found == 'FATAL: password authentication failed for user "•••"'
    finding = look(postgres_database.replace(parts.path, "/no_such_database"))
    assert finding.verdict is Verdict.FAIL
    assert finding.found == 'FATAL: database "•••" does not exist'


def test_no_answer_fails() -> None:
    finding = look(f"postgresql://app:secret-word@127.0.0.1:{closed_port()}/portal")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "Connection refused")
    finding = look("postgresql://app:secret-word@db.no-such-host.invalid/portal")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "the name of the host is not known")
    with silence() as port:
        finding = look(f"postgresql://app:secret-word@127.0.0.1:{port}/x", timeout="300ms")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "timed out after 0.3 s")


def test_a_service_inside_the_containers_network_is_undecided() -> None:
    finding = look("postgresql://app:secret-word@gonogo-no-such-service/portal")
    assert finding.verdict is Verdict.UNDECIDED
    assert "inside the network of the containers" in finding.found
    assert "publish the port" in finding.expected


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///portal.db",
        "mysql://app:secret-word@127.0.0.1/x",
        "postgresql://app:secret#word@127.0.0.1:5432/x",
        "postgresql://app:secret-word@127.0.0.1:port/x",
        "secret-word",
    ],
)
def test_not_an_address_is_an_error_that_quotes_nothing(url: str) -> None:
    finding = probe(CHECK, scene(values=FakeValues({"DB": url})), url="${DB}")
    assert finding.verdict is Verdict.ERROR
    assert "secret" not in str(finding.to_json())


def test_a_missing_variable_is_an_error() -> None:
    assert probe(CHECK, scene(), url="${NOPE}").verdict is Verdict.ERROR


def test_a_password_in_the_file_is_not_shown() -> None:
    url = f"postgresql://app:secret-word@127.0.0.1:{closed_port()}/portal?password=secret-word"
    finding = probe(CHECK, scene(), url=url)
    assert finding.verdict is Verdict.FAIL
    assert finding.where.startswith("postgresql://app:•••@127.0.0.1:")
    described = CHECK.describe(Settings(url=url), scene())
    assert "secret" not in str(finding.to_json()) + str(described)

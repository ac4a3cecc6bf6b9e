"""PostgresDatabase on a fake engine: what it runs, what it hides, and what a kill leaves."""

from __future__ import annotations

import asyncio
import json
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from fake_postgres import COMPOSE, Data, FakePostgres, Killed
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlite_files import CountingClock

from gonogo.databases._postgres_address import address_of
from gonogo.databases.postgres import PostgresDatabase
from gonogo.model.errors import GonogoError, PermanentError, Refused, TemporaryError
from gonogo.model.secret import Secret

OLD: Data = ("CREATE TABLE public.t (a integer);", (1, 2, 3))
NEW: Data = ("CREATE TABLE public.t (a integer, b integer);", (1, 2, 3, 4))
URL = "postgresql://app:word@db:5432/portal?schema=public"


def database(host: FakePostgres, folder: Path, url: str | Secret = URL) -> PostgresDatabase:
    return PostgresDatabase(
        host=host,
        compose=COMPOSE,
        service="db",
        url=lambda: url,
        copies_folder=folder / "copies",
        clock=CountingClock(),
    )


@pytest.fixture
def host() -> FakePostgres:
    return FakePostgres(databases={"portal": OLD})


@pytest.fixture
def postgres(host: FakePostgres, tmp_path: Path) -> PostgresDatabase:
    return database(host, tmp_path)


@pytest.mark.parametrize(
    ("url", "host", "user", "password", "name"),
    [
        ("postgresql://app:word@db:5432/portal", "db", "app", "word", "portal"),
        ("postgres://app:word@db/portal?schema=public&x=a@b/c", "db", "app", "word", "portal"),
        ("postgresql+asyncpg://app:word@[::1]:5432/portal", "[::1]", "app", "word", "portal"),
        ("postgresql://a%40b:p%40s%2Fs%3A%25@db/My%20%22DB%22", "db", "a@b", "p@s/s:%", 'My "DB"'),
        ("postgresql://app:p@ss@db/portal", "db", "app", "p@ss", "portal"),
        ("postgresql://app:p/a?s#s@db/portal", "db", "app", "p/a?s#s", "portal"),
        ("postgresql://app:a+b@db/portal", "db", "app", "a+b", "portal"),
        ("postgresql://app@db/portal#x", "db", "app", "", "portal"),
        ("postgresql://app:@/portal?host=/run/postgresql", "", "app", "", "portal"),
        (" postgresql://app:word@db \n", "db", "app", "word", "app"),
    ],
)
def test_urls(url: str, host: str, user: str, password: str, name: str) -> None:
    address = address_of(url)
    assert (address.user, address.password.reveal(), address.database) == (user, password, name)
    assert address.host == host
    assert address_of(Secret(url)) == address


@pytest.mark.parametrize(
    "url", ["", "mysql://a:hidden@b/c", "postgresql://db/hidden", "postgresql://%ff:hidden@db/x"]
)
def test_urls_that_cannot_be_used_are_not_quoted(url: str) -> None:
    with pytest.raises(PermanentError) as caught:
        address_of(url)
    assert "hidden" not in f"{caught.value.message} {caught.value.next_step}"
    assert caught.value.__cause__ is None


@given(user=st.text(min_size=1), password=st.text(), name=st.text(min_size=1))
def test_every_name_and_password_passes_through_a_url(user: str, password: str, name: str) -> None:
    url = (
        f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@db/{quote(name, safe='')}"
    )
    address = address_of(url)
    assert (address.user, address.password.reveal(), address.database) == (user, password, name)


@example(name="postgres")
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=63))
def test_names_beside_a_database_are_never_cut_into_its_own(name: str) -> None:
    address = address_of(f"postgresql://app:word@db/{quote(name, safe='')}")
    names = {address.restored, address.replaced}
    assert len(names) == 2 and name not in names and address.maintenance != name
    assert all(len(each.encode()) <= 63 for each in names)


def test_a_copy_is_whole_private_and_described(
    postgres: PostgresDatabase, host: FakePostgres, tmp_path: Path
) -> None:
    copy = asyncio.run(postgres.copy("a"))
    folder = tmp_path / "copies"
    assert copy.rows == {"public.t": 3}
    assert copy.fingerprint == asyncio.run(postgres.fingerprint()) != ""
    assert asyncio.run(postgres.copies()) == [copy]
    assert {each.name for each in folder.iterdir()} == {".lock", "a.db", "a.json"}
    assert stat.S_IMODE((folder / "a.db").stat().st_mode) == 0o600
    assert json.loads((folder / "a.db").read_bytes()) == [OLD[0], list(OLD[1])]
    assert host.files == {}


def test_the_copy_already_there_is_returned(postgres: PostgresDatabase, host: FakePostgres) -> None:
    first = asyncio.run(postgres.copy("a"))
    host.databases["portal"] = NEW
    called = len(host.calls)
    assert asyncio.run(postgres.copy("a")) == first
    assert len(host.calls) == called
    assert asyncio.run(postgres.copy("b")).rows == {"public.t": 4}
    assert [each.name for each in asyncio.run(postgres.copies())] == ["b", "a"]


def test_verify_decodes_a_copy_and_notes_when(
    postgres: PostgresDatabase, host: FakePostgres
) -> None:
    made = asyncio.run(postgres.copy("a"))
    host.databases.clear()
    seen = asyncio.run(postgres.verify("a"))
    assert made.verified == made.at < seen.verified
    assert asyncio.run(postgres.copies()) == [seen]
    assert host.files == {}


def test_verify_tells_a_copy_that_was_changed_from_one_that_did_not_arrive(
    postgres: PostgresDatabase, host: FakePostgres, tmp_path: Path
) -> None:
    made = asyncio.run(postgres.copy("a"))
    host.damage = "in"
    with pytest.raises(PermanentError, match="did not arrive whole"):
        asyncio.run(postgres.verify("a"))
    assert asyncio.run(postgres.copies()) == [made]
    file = tmp_path / "copies" / "a.db"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(PermanentError, match="sha256"):
        asyncio.run(postgres.verify("a"))
    assert [one.verified for one in asyncio.run(postgres.copies())] == [0]


def test_forget_removes_a_copy(postgres: PostgresDatabase, tmp_path: Path) -> None:
    asyncio.run(postgres.copy("a"))
    asyncio.run(postgres.forget("a"))
    asyncio.run(postgres.forget("a"))
    assert [each.name for each in (tmp_path / "copies").iterdir()] == [".lock"]


@pytest.mark.parametrize("verb", ["copy", "restore"])
def test_what_is_described_is_what_runs(
    postgres: PostgresDatabase, host: FakePostgres, verb: str
) -> None:
    if verb == "restore":
        asyncio.run(postgres.copy("a"))
        host.calls.clear()
    asyncio.run(getattr(postgres, verb)("a"))
    said = [one.what for one in postgres.describe(verb, "a")]
    commands = [what for what in said if what.startswith("docker")]
    assert len(commands) == 2
    for what in commands:
        [start, *rest] = what.split("XXXXXX")
        ran = [" ".join(call) for call in host.calls]
        # A copy is taken out under another name and gets its own when it is whole.
        end = "" if rest == [f" {postgres._copies.file('a')}"] else "".join(rest)
        assert [each for each in ran if each.startswith(start) and each.endswith(end)]


def test_restore_puts_the_copy_back_and_keeps_what_was_there(
    postgres: PostgresDatabase, host: FakePostgres
) -> None:
    asyncio.run(postgres.copy("a"))
    host.databases["portal"] = NEW
    asyncio.run(postgres.restore("a"))
    assert host.databases == {"portal": OLD} and host.files == {}
    kept = asyncio.run(postgres.copies())[0]
    assert kept.name.startswith("replaced-") and kept.rows == {"public.t": 4}
    asyncio.run(postgres.restore(kept.name))
    assert host.databases == {"portal": NEW}


def test_restore_brings_back_a_database_that_is_gone(
    postgres: PostgresDatabase, host: FakePostgres
) -> None:
    asyncio.run(postgres.copy("a"))
    del host.databases["portal"]
    assert asyncio.run(postgres.fingerprint()) == ""
    asyncio.run(postgres.restore("a"))
    assert host.databases == {"portal": OLD}
    assert len(asyncio.run(postgres.copies())) == 1


def test_what_cannot_be_copied_is_replaced_and_stays(
    postgres: PostgresDatabase, host: FakePostgres
) -> None:
    asyncio.run(postgres.copy("a"))
    host.databases["portal"] = NEW
    host.undumpable = {"portal", "portal_gonogo_replaced"}
    asyncio.run(postgres.restore("a"))
    assert host.databases == {"portal": OLD, "portal_gonogo_replaced": NEW}
    with pytest.raises(PermanentError, match="invalid page"):
        asyncio.run(postgres.restore("a"))
    assert host.databases == {"portal": OLD, "portal_gonogo_replaced": NEW}


def test_restore_refuses_while_clients_are_connected(
    postgres: PostgresDatabase, host: FakePostgres
) -> None:
    asyncio.run(postgres.copy("a"))
    host.databases["portal"] = NEW
    host.users = ["backend from 10.0.0.2 (3)", "psql (1)"]
    called = len(host.calls)
    with pytest.raises(Refused, match=r"portal is in use by backend from 10.0.0.2 \(3\), psql"):
        asyncio.run(postgres.restore("a"))
    assert host.databases == {"portal": NEW} and len(host.calls) == called + 1


def test_restore_refuses_clients_that_come_while_it_works(
    postgres: PostgresDatabase, host: FakePostgres
) -> None:
    asyncio.run(postgres.copy("a"))
    host.databases["portal"] = NEW
    host.late_users = ["late (1)"]
    with pytest.raises(Refused, match="late"):
        asyncio.run(postgres.restore("a"))
    assert host.databases == {"portal": NEW} and host.files == {}


@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        ("creates", 'as a superuser: ALTER ROLE "app" CREATEDB'),
        ("owns", 'as a superuser: ALTER DATABASE "portal" OWNER TO "app"'),
    ],
)
def test_restore_says_what_to_grant(
    postgres: PostgresDatabase, host: FakePostgres, missing: str, advice: str
) -> None:
    asyncio.run(postgres.copy("a"))
    setattr(host, missing, False)
    with pytest.raises(PermanentError) as caught:
        asyncio.run(postgres.restore("a"))
    assert caught.value.next_step == advice


def test_a_copy_that_was_changed_is_not_restored(
    postgres: PostgresDatabase, host: FakePostgres, tmp_path: Path
) -> None:
    asyncio.run(postgres.copy("a"))
    file = tmp_path / "copies" / "a.db"
    whole = file.read_bytes()
    called = len(host.calls)
    for damaged, reason in ((whole[:-1] + b"?", "sha256"), (whole[:-1], "size")):
        file.write_bytes(damaged)
        for act in (postgres.restore, postgres.copy):
            with pytest.raises(PermanentError, match=reason):
                asyncio.run(act("a"))
    assert len(host.calls) == called


def test_an_unknown_copy_is_not_restored(postgres: PostgresDatabase, host: FakePostgres) -> None:
    with pytest.raises(PermanentError, match="no copy"):
        asyncio.run(postgres.restore("a"))
    assert host.calls == []


def test_a_copy_damaged_on_its_way_is_none(
    postgres: PostgresDatabase, host: FakePostgres, tmp_path: Path
) -> None:
    host.damage = "out"
    with pytest.raises(PermanentError, match="not what was dumped"):
        asyncio.run(postgres.copy("a"))
    assert [each.name for each in (tmp_path / "copies").iterdir()] == [".lock"]
    assert host.files == {}


@pytest.mark.parametrize(
    ("damage", "reason"), [("in", "did not arrive whole"), ("schema", "has another schema")]
)
def test_what_is_not_as_the_copy_takes_no_place(
    postgres: PostgresDatabase, host: FakePostgres, damage: str, reason: str
) -> None:
    asyncio.run(postgres.copy("a"))
    host.databases["portal"] = NEW
    host.damage = damage
    with pytest.raises(PermanentError, match=reason):
        asyncio.run(postgres.restore("a"))
    assert host.databases == {"portal": NEW} and host.files == {}


def test_a_copy_removes_what_a_killed_one_left(
    postgres: PostgresDatabase, host: FakePostgres, tmp_path: Path
) -> None:
    mark = address_of(URL).mark
    host.files = {f"/var/tmp/{mark}-old": b"", "/var/tmp/gonogo-other-old": b""}
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / ".a.db.0123.partial").touch()
    asyncio.run(postgres.copy("a"))
    assert set(host.files) == {"/var/tmp/gonogo-other-old"}
    assert {each.name for each in (tmp_path / "copies").iterdir()} == {".lock", "a.db", "a.json"}


def test_a_full_disk_is_noticed_before(
    postgres: PostgresDatabase, host: FakePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(postgres.copy("a"))
    host.calls.clear()
    host.data = 10**6
    with pytest.raises(Refused, match=r"container of db needs 50 MB for its data, and 0 MB are"):
        asyncio.run(postgres.restore("a"))
    host.free = 10**6
    with pytest.raises(Refused, match=r"container of db needs 50 MB for /var/tmp, and 0 MB are"):
        asyncio.run(postgres.copy("b"))
    assert host.files == {}
    monkeypatch.setattr("gonogo.databases.postgres._SPARE", 10**18)
    with pytest.raises(Refused, match="a copy of the database needs"):
        asyncio.run(postgres.copy("b"))
    assert not [word for call in host.calls for word in call if word in ("pg_dump", "pg_restore")]


def test_a_server_that_does_not_answer_is_no_empty_database(
    postgres: PostgresDatabase, host: FakePostgres
) -> None:
    host.up = False
    for act in (postgres.fingerprint, lambda: postgres.copy("a")):
        with pytest.raises(TemporaryError, match='service "db" is not running') as caught:
            asyncio.run(act())
        assert caught.value.next_step == "docker compose -p portal ps db"


def test_a_database_without_tables_has_no_fingerprint(
    postgres: PostgresDatabase, host: FakePostgres
) -> None:
    host.databases["portal"] = ("", ())
    assert asyncio.run(postgres.fingerprint()) == ""


def test_one_at_a_time_works_on_the_copies(
    postgres: PostgresDatabase, host: FakePostgres, tmp_path: Path
) -> None:
    other = database(host, tmp_path)
    with other._copies.alone(), pytest.raises(Refused, match="another process"):
        asyncio.run(postgres.copy("a"))


def killed_at_every_call(
    act: Callable[[PostgresDatabase], object], host: FakePostgres, folder: Path
) -> int:
    """Kill before and after each call, then see that a repetition ends right."""
    asyncio.run(database(host, folder).copy("a"))
    for number in range(1, 1000):
        for late in (False, True):
            host.databases = {"portal": NEW}
            host.die_at, host.late, host.calls = number, late, []
            try:
                act(database(host, folder))
            except Killed:
                host.die_at = 0
                data = set(host.databases.values())
                assert NEW in data or any(
                    each.rows == {"public.t": 4}
                    for each in asyncio.run(database(host, folder).copies())
                )
                assert host.databases["portal"] in (OLD, NEW)
                act(database(host, folder))
                check(host, folder)
            else:
                return number
    raise AssertionError("it never got through")


def check(host: FakePostgres, folder: Path) -> None:
    """Nothing is left over, and what counts as a copy is one."""
    copies = database(host, folder)._copies
    assert set(host.databases) == {"portal"} and host.files == {}
    assert not list(copies.folder.glob(".*.partial"))
    for copy in copies.all():
        copies.verify(copy)


def test_a_copy_killed_at_any_call_is_made_by_the_next(host: FakePostgres, tmp_path: Path) -> None:
    def act(postgres: PostgresDatabase) -> None:
        copy = asyncio.run(postgres.copy("b"))
        assert copy.rows == {"public.t": 4}
        asyncio.run(postgres.forget("b"))

    assert killed_at_every_call(act, host, tmp_path) > 7


def test_a_restore_killed_at_any_call_is_done_by_the_next(
    host: FakePostgres, tmp_path: Path
) -> None:
    def act(postgres: PostgresDatabase) -> None:
        asyncio.run(postgres.restore("a"))
        assert host.databases == {"portal": OLD}

    assert killed_at_every_call(act, host, tmp_path) > 17


ODD = st.text("'\"\\$%@:/?#&|;<>* \t\nöλ☃\U0001f511`(){}[]!^~=+", min_size=4, max_size=30)


@settings(max_examples=30, deadline=None)
@given(password=ODD.filter(lambda text: len(text.strip()) >= 4), fail=st.integers(0, 22))
def test_the_password_is_in_no_argument_and_no_error(password: str, fail: int) -> None:
    url = Secret(f"postgresql://app:{quote(password, safe='')}@db/portal")
    with tempfile.TemporaryDirectory() as folder:
        host = FakePostgres(databases={"portal": OLD})
        postgres = database(host, Path(folder), url)
        seen = [one.what for verb in ("copy", "restore") for one in postgres.describe(verb, "a")]
        asyncio.run(postgres.copy("a"))
        host.calls.clear()
        host.fail_at = fail
        for act in (
            lambda: postgres.restore("a"),
            lambda: postgres.copy("b"),
            postgres.fingerprint,
        ):
            try:
                asyncio.run(act())
            except GonogoError as error:
                seen += [error.message, error.next_step, repr(error)]
        seen += [word for call in host.calls for word in call]
    assert not [each for each in seen if password in each or password.strip() in each]
    given = [one["PGPASSWORD"] for one in host.environments]
    assert given and set(given) == {Secret(password)}

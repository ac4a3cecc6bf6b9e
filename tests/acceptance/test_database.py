"""A database through a release and back, by the command line alone: nothing here is a fake.

What counts is what SQL finds afterwards, not what gonogo says. The application is small: notes in
an SQLite file over HTTP, and a migrator that commits every statement by itself, so that it can
fail half-way.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

OK, ROLLED_BACK, PARTIAL, WAITING, REFUSED = 0, 4, 5, 6, 7

SETTINGS = """
app: notes
environments:
  development:
    engine: local
    services:
      web:
        command: [{python}, server.py]
        port: {port}
        health: /health
        drain: 0s
        environment: {{DATABASE: $project/notes.db}}
    database:
      sqlite: notes.db
      migrations:
        command: [{python}, migrate.py, {project}/notes.db]
        pending: [{python}, migrate.py, {project}/notes.db, --pending]
    checks:
      - id: notes-are-there
        http: {{service: web, path: /notes, expect: [status == 200]}}
"""
SERVER = """
import http.server, json, os, sqlite3
from contextlib import closing

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, what):
        text = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        if self.path == "/version":
            return self.answer(open("VERSION").read())
        with closing(sqlite3.connect(os.environ["DATABASE"])) as database:
            self.answer([row[0] for row in database.execute("SELECT text FROM notes")])

    def do_POST(self):
        text = self.rfile.read(int(self.headers["content-length"])).decode()
        with closing(sqlite3.connect(os.environ["DATABASE"])) as database, database:
            database.execute("INSERT INTO notes (text) VALUES (?)", (text,))
        self.answer("kept")

    def log_message(self, *arguments):
        pass

address = ("127.0.0.1", int(os.environ["PORT"]))
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""
MIGRATE = """
import pathlib, sqlite3, sys

database = sqlite3.connect(sys.argv[1], isolation_level=None)
pending = sys.argv[2:] == ["--pending"]
found = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'applied'").fetchone()
applied = {row[0] for row in database.execute("SELECT name FROM applied")} if found else set()
for path in sorted(pathlib.Path("migrations").glob("*.sql")):
    if path.stem in applied:
        continue
    if pending:
        print(path.stem)
        continue
    for statement in path.read_text().split(";"):
        database.execute(statement)
    database.execute("INSERT INTO applied VALUES (?)", (path.stem,))
"""
FIRST = "CREATE TABLE notes (text TEXT); CREATE TABLE applied (name TEXT)"
SECOND = "CREATE TABLE authors (name TEXT); ALTER TABLE notes ADD author TEXT"
HALF = "CREATE TABLE authors (name TEXT); DELETE FROM notes; CREATE TABLE authors (name TEXT)"
NOTHING = "CREATE TABLE notes (text TEXT)"
ONLY_DATA = "UPDATE notes SET text = 'spoilt'; SELECT name FROM nowhere"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command answered."""

    code: int
    text: str

    @property
    def json(self) -> dict[str, Any]:
        """The answer of a command with --json."""
        found: dict[str, Any] = json.loads(self.text[self.text.index("{") :])
        return found


@dataclass(kw_only=True)
class Notes:
    """The application in a git repository, released by gonogo."""

    folder: Path
    port: int
    releases: list[str] = field(default_factory=list)

    def commit(self, migration: str = "") -> None:
        """A new commit, perhaps with a new migration."""
        number = len(self.releases) + 1
        self.releases.append(str(number))
        (self.folder / "VERSION").write_text(str(number))
        if migration:
            (self.folder / "migrations" / f"{number:04}.sql").write_text(migration)
        person = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        for arguments in (("add", "--all"), ("commit", "--quiet", "--message", f"{number}")):
            subprocess.run(["git", *person, *arguments], cwd=self.folder, check=True)

    def gonogo(self, *arguments: str) -> Said:
        """Run gonogo in a process of its own."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GONOGO_")}
        environment |= {k: v for k, v in os.environ.items() if k.startswith("GONOGO_TEST")}
        done = subprocess.run(
            [sys.executable, "-m", "gonogo", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return Said(code=done.returncode, text=done.stdout)

    def expect(self, code: int, *arguments: str) -> Said:
        """The same, with the exit code that it must have."""
        said = self.gonogo(*arguments)
        assert said.code == code, said.text
        return said

    def write(self, text: str) -> None:
        """A note, over HTTP."""
        address = f"http://127.0.0.1:{self.port}/notes"
        urllib.request.urlopen(address, data=text.encode(), timeout=5).close()

    def version(self) -> str:
        """The version that users get; empty when nobody answers."""
        try:
            address = f"http://127.0.0.1:{self.port}/version"
            with urllib.request.urlopen(address, timeout=5) as answer:
                return str(json.load(answer))
        except (urllib.error.URLError, OSError):
            return ""

    def sql(self, statement: str) -> list[Any]:
        """The first column of what SQL finds in the database."""
        with closing(sqlite3.connect(self.folder / "notes.db")) as database:
            return [row[0] for row in database.execute(statement)]

    def notes(self) -> list[str]:
        """All notes, by SQL."""
        return self.sql("SELECT text FROM notes ORDER BY rowid")

    def tables(self) -> set[str]:
        """All tables, by SQL."""
        return set(self.sql("SELECT name FROM sqlite_master WHERE type = 'table'"))

    def copies(self) -> dict[str, Path]:
        """gonogo's copies of the database by name."""
        folder = self.folder / ".gonogo/target/development/copies"
        return {path.stem: path for path in folder.glob("*.db")}

    def live(self) -> str:
        """The id of the live release."""
        status = self.expect(OK, "status", "--json").json
        return str(status["live"]["release"]).split()[0]


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    """Version 1 is live and holds one note."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "migrate.py").write_text(MIGRATE)
    (tmp_path / ".gitignore").write_text(".gonogo/\nnotes.db*\n")
    settings = SETTINGS.format(python=sys.executable, port=port, project=tmp_path)
    (tmp_path / "gonogo.yml").write_text(settings)
    one = Notes(folder=tmp_path, port=port)
    one.commit(FIRST)
    one.expect(OK, "deploy")
    one.write("first")
    yield one
    one.gonogo("abort")
    one.gonogo("stop")


def test_an_update_never_migrates_and_migrate_does(notes: Notes) -> None:
    notes.commit(SECOND)
    said = notes.expect(REFUSED, "update")
    assert "update never migrates: 0002" in said.text
    assert "Next: gonogo migrate development" in said.text
    assert (notes.version(), notes.tables()) == ("1", {"notes", "applied"})

    notes.expect(OK, "plan", "migrate")
    assert notes.tables() == {"notes", "applied"}

    notes.expect(OK, "migrate")
    assert notes.version() == "2"
    assert notes.tables() == {"notes", "applied", "authors"}
    assert notes.notes() == ["first"]
    notes.expect(OK, "journal", "verify")


def test_back_over_a_migration_needs_the_copy_named(notes: Notes) -> None:
    first = notes.live()
    notes.commit(SECOND)
    notes.expect(OK, "migrate")
    notes.write("second")

    copy = f"before-{notes.live()}"
    said = notes.expect(REFUSED, "rollback")
    assert "the schema has moved" in said.text
    assert f"--database restore --confirm {copy}" in said.text
    said = notes.expect(REFUSED, "rollback", "--database", "restore")
    assert copy in said.text and " old" in said.text
    said = notes.expect(REFUSED, "rollback", "--database", "restore", "--confirm", "wrong")
    assert copy in said.text
    assert (notes.version(), notes.notes()) == ("2", ["first", "second"])

    notes.expect(OK, "rollback", "--database", "restore", "--confirm", copy)
    assert (notes.version(), notes.live()) == ("1", first)
    assert notes.tables() == {"notes", "applied"}
    assert notes.notes() == ["first"]
    notes.write("third")
    assert notes.notes() == ["first", "third"]
    safety = next(path for name, path in notes.copies().items() if name.startswith("safety-"))
    with closing(sqlite3.connect(safety)) as database:
        kept = [row[0] for row in database.execute("SELECT text FROM notes")]
    assert kept == ["first", "second"]
    notes.expect(OK, "journal", "verify")


def test_a_half_done_migration_asks_before_it_restores(notes: Notes) -> None:
    notes.commit(HALF)
    said = notes.expect(WAITING, "migrate", "--no-wait")
    assert "HALF CHANGED" in said.text
    assert "gonogo approve" in said.text
    run = said.text.split("gonogo approve ")[1].split()[0]
    step = said.text.split("gonogo approve ")[1].split()[1]
    assert step == "allow:undo:migrate-offline"
    assert "authors" in notes.tables() and notes.notes() == []
    assert notes.version() == ""

    said = notes.expect(OK, "approve", run, step, "--reason", "nobody wrote meanwhile")
    assert f"Next: gonogo resume {run}" in said.text
    said = notes.expect(ROLLED_BACK, "resume", run)
    assert notes.version() == "1"
    assert notes.tables() == {"notes", "applied"}
    assert notes.notes() == ["first"]
    notes.write("second")
    assert notes.notes() == ["first", "second"]
    notes.expect(OK, "journal", "verify")


def test_a_half_done_migration_is_left_alone_when_a_person_says_so(notes: Notes) -> None:
    notes.commit(HALF)
    said = notes.expect(WAITING, "migrate", "--no-wait")
    run, step = said.text.split("gonogo approve ")[1].split()[:2]
    notes.expect(OK, "approve", run, step, "--no")
    notes.expect(PARTIAL, "resume", run)
    assert "authors" in notes.tables() and notes.notes() == []
    assert notes.version() == "", "the earlier version must not run on half a migration"


def test_a_migration_that_changed_nothing_asks_nobody(notes: Notes) -> None:
    notes.commit(NOTHING)
    said = notes.expect(ROLLED_BACK, "migrate", "--no-wait")
    assert "the schema is unchanged" in said.text
    assert "gonogo approve" not in said.text
    assert (notes.version(), notes.notes()) == ("1", ["first"])


def test_a_migration_that_spoilt_only_data_asks_too(notes: Notes) -> None:
    notes.commit(ONLY_DATA)
    said = notes.expect(WAITING, "migrate", "--no-wait")
    assert notes.notes() == ["spoilt"]
    run, step = said.text.split("gonogo approve ")[1].split()[:2]
    notes.expect(OK, "approve", run, step)
    notes.expect(ROLLED_BACK, "resume", run)
    assert (notes.version(), notes.notes()) == ("1", ["first"])


def test_only_a_copy_with_the_schema_of_that_release_is_put_back(notes: Notes) -> None:
    first = notes.live()
    notes.commit(SECOND)
    notes.expect(OK, "migrate")
    fitting = f"before-{notes.live()}"
    notes.commit()
    notes.expect(OK, "update")
    later = f"before-{notes.live()}"
    assert {fitting, later} <= notes.copies().keys()

    said = notes.expect(REFUSED, "rollback", "--to", first)
    assert f"--to {first} --database restore --confirm {fitting}" in said.text
    back = ("rollback", "--to", first, "--database", "restore", "--confirm")
    said = notes.expect(REFUSED, *back, later)
    assert f"{later} is no copy for release {first}" in said.text
    assert f"--confirm {fitting}" in said.text
    assert notes.version() == "3"

    notes.expect(OK, *back, fitting)
    assert (notes.version(), notes.tables()) == ("1", {"notes", "applied"})

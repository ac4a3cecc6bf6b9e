"""An emergency: it overtakes whoever is at work, and ends with the last good state and no other."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from .site import Site, until

Build = Callable[..., Site]


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """A channel that keeps what it is told: its address and the messages."""
    told: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.append(str(json.loads(body)["message"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/", told
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(build: Build) -> Site:
    """A site with two good releases, and orders that came after the second."""
    one = build()
    one.deploy()
    one.release()
    one.run("update")
    return one


def order(site: Site) -> None:
    """Something that a customer writes."""
    with closing(sqlite3.connect(site.project / "shop.db", isolation_level=None)) as database:
        database.execute("INSERT INTO orders (total) VALUES (99)")


def releases(site: Site) -> list[str]:
    """Ids of the releases, oldest first."""
    return sorted(path.stem for path in (site.target / "releases").glob("*.json"))


def orders(site: Site) -> int:
    with closing(sqlite3.connect(site.project / "shop.db")) as database:
        count: int = database.execute("SELECT count(*) FROM orders").fetchone()[0]
        return count


def test_it_says_what_is_lost_and_does_nothing_unless_confirmed(site: Site) -> None:
    before, number = site.events(), site.serving()
    ran = site.run("emergency", expect=7)
    newest = site.run("backup", "list", "--json").json()["copies"][0]["name"]
    assert f"Copy {newest} is put back" in ran.text and "is lost" in ran.text
    command = f"gonogo emergency development --backup {newest} --confirm development"
    assert command in ran.text
    site.run("emergency", "--backup", newest, expect=7)
    ran = site.run("emergency", "--backup", newest, "--confirm", "production", expect=7)
    assert "'production' is not development" in ran.text
    site.run("emergency", "--confirm", "development", expect=7)
    ran = site.run("emergency", "--backup", "monday", "--confirm", "development", expect=7)
    assert "there is no verified copy monday" in ran.text
    assert (site.events(), site.serving()) == (before, number)


def test_the_copy_and_the_last_good_release_are_back_and_the_team_knows(site: Site) -> None:
    with listener() as (url, told):
        path = site.project / "gonogo.yml"
        path.write_text(f"channels: {{team: '{url}'}}\n{path.read_text()}")
        site.run("backup", "create", "--name", "noon")
        had, first = orders(site), releases(site)[0]
        order(site)
        confirmed = ("--backup", "noon", "--confirm", "development")
        site.run("emergency", *confirmed, "--to", first, "--reason", "orders vanish")
    assert (site.serving(), orders(site)) == (1, had)
    alarm, back = told
    assert "Emergency by aiko: orders vanish. All services are stopped." in alarm
    assert "is lost" in alarm
    assert "is live again on the database as of copy noon" in back
    assert "orders vanish" in site.run("show", "last").output
    names = [one["name"] for one in site.run("backup", "list", "--json").json()["copies"]]
    assert any(name.startswith("safety-") for name in names)
    site.release()
    site.run("update")


def test_without_the_database_and_without_channels(site: Site) -> None:
    had = orders(site)
    order(site)
    ran = site.run("emergency", "--no-database", "--confirm", "development", "--reason", "stuck")
    assert "gonogo.yml has no channels, so nobody is told" in site.run("show", "last").output
    assert "Done." in ran.output
    assert (site.serving(), orders(site)) == (site.number, had + 1)


def test_whoever_is_at_work_is_overtaken(site: Site) -> None:
    good = site.serving()
    site.release(build_seconds=60)
    update = site.start("update")
    until(lambda: site.commands()[f"build-begin {site.number}"], "the build")
    overtaken = site.last_run()
    site.run("emergency", "--no-database", "--confirm", "development")
    site.finish(update, expect=None)
    assert site.serving() == good
    (ended,) = site.events("ended", overtaken)
    assert ended["body"]["outcome"] == "overtaken"
    assert site.events("overtaken")[-1]["body"]["run"] == overtaken
    assert site.commands()[f"build-end {site.number}"] == 0
    assert "overtaken" in site.run("runs").output
    assert "is over: overtaken" in site.run("resume", overtaken, expect=7).text
    site.release()
    site.run("update")


def test_a_run_that_waits_for_a_person_is_overtaken(build: Build) -> None:
    site = build(
        worker=False,
        procedures="procedures: {update: {before: {foundation: [{sign-off: manager, id: ok}]}}}",
    )
    site.deploy()
    site.release()
    site.run("update", "--no-wait", expect=6)
    waiting = site.last_run()
    site.run("emergency", "--no-database", "--confirm", "development")
    assert site.events("ended", waiting)[0]["body"]["outcome"] == "overtaken"
    assert site.serving() == 1
    site.run("update", "--no-wait", expect=6)

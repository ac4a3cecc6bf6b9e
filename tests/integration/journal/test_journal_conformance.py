"""What every journal keeps, on each place it can be kept in."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import journal_place
import pytest
from journal_place import BURST, Place, SystemTime

from gonogo.journal.chain import broken
from gonogo.model.event import GENESIS
from gonogo.model.redaction import MASK, Redactor

SECRET = "correct horse/battery+staple"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place("sqlite", str(tmp_path / "journal.db"))
    return Place("postgresql", request.getfixturevalue("postgres_database"))


def _child(place: Place, verb: str, name: str) -> subprocess.Popen[str]:
    program = [sys.executable, journal_place.__file__, place.kind, place.where, verb, name]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)


def _write(place: Place, events: int = 5) -> None:
    journal = place.open()
    for number in range(events):
        journal.append("run", "step", {"number": number}, step=f"step{number}")


# -- one process --------------------------------------------------------------------------------


def test_empty(place: Place) -> None:
    journal = place.open()
    assert list(journal.chain()) == []
    assert list(journal.events("run")) == []
    assert list(journal.of_kind("step")) == []
    assert journal.find("run", "step") is None
    assert broken(journal.chain()) == ""


def test_first_event(place: Place) -> None:
    before = round(time.time(), 3)
    event = place.open().append("run", "planned", {"a": [1, None, True, 0.1]}, step="s", attempt=2)
    assert (event.sequence, event.previous) == (1, GENESIS)
    assert (event.run, event.kind, event.step, event.attempt) == ("run", "planned", "s", 2)
    assert before <= event.at <= time.time() + 0.001
    assert list(place.open().chain()) == [event]


def test_the_same_key_is_written_once(place: Place) -> None:
    journal = place.open()
    first = journal.append("run", "result", {"said": "first"}, step="build", attempt=1)
    journal.append("run", "result", {"said": "between"}, step="other", attempt=1)
    assert journal.append("run", "result", {"said": "second"}, step="build", attempt=1) == first
    assert place.open().append("run", "result", {}, step="build", attempt=1) == first
    assert len(journal.chain()) == 2


@pytest.mark.parametrize("part", ["run", "kind", "step", "attempt"])
def test_each_part_of_the_key_counts(place: Place, part: str) -> None:
    journal = place.open()
    key: dict[str, Any] = {"run": "run", "kind": "result", "step": "build", "attempt": 1}
    other = key | {part: 2 if part == "attempt" else "other"}
    first, second = (journal.append(body={"of": part}, **one) for one in (key, other))
    assert [first.sequence, second.sequence] == [1, 2]
    assert journal.find(**key) == first
    assert journal.find(**other) == second


def test_order_and_selection(place: Place) -> None:
    journal = place.open()
    for number in range(6):
        run, kind = ("odd" if number % 2 else "even"), ("late" if number > 3 else "early")
        journal.append(run, kind, {"number": number}, step=str(number))
    assert [event.sequence for event in journal.chain()] == [1, 2, 3, 4, 5, 6]
    assert [event.body["number"] for event in journal.events("odd")] == [1, 3, 5]
    assert [event.body["number"] for event in journal.events("odd", after=4)] == [5]
    assert list(journal.events("odd", after=6)) == []
    assert [event.body["number"] for event in journal.of_kind("late")] == [4, 5]


@pytest.mark.parametrize(
    "value",
    [
        "Grüße, 日本, 🚀",
        "zero \0 and \x1b[31m",
        "half a letter \udcff",
        1e300,
        0.1 + 0.2,
        -0.0,
        10**18,
        {"b": {"a": [{}, [], ""]}},
    ],
)
def test_what_goes_in_comes_out(place: Place, value: Any) -> None:
    event = place.open().append("run", "result", {"value": value})
    assert event.body == {"value": value}
    journal = place.open()
    assert journal.find("run", "result") == event
    assert broken(journal.chain()) == ""


def test_redaction_is_in_front(place: Place) -> None:
    journal = place.open(redact=Redactor([SECRET]).value)
    body = {"output": f"token={SECRET}", SECRET: ["correct%20horse%2Fbattery%2Bstaple"]}
    event = journal.append("run", "result", body)
    assert event.body == {"output": f"token={MASK}", MASK: [MASK]}
    assert broken(journal.chain()) == ""
    stored = str(place.sql("SELECT * FROM events"))
    if place.kind == "sqlite":
        stored += "".join(path.read_text(errors="replace") for path in _files(place))
    assert "battery" not in stored


def test_the_file_is_for_its_owner_only(place: Place) -> None:
    if place.kind == "sqlite":
        _write(place)
        reader = sqlite3.connect(place.where)
        reader.execute("SELECT * FROM events").fetchall()
        assert {oct(path.stat().st_mode & 0o777) for path in _files(place)} == {"0o600"}
        reader.close()


def _files(place: Place) -> list[Path]:
    path = Path(place.where)
    return sorted(path.parent.glob(f"{path.name}*"))


# -- changes are refused, or noticed ------------------------------------------------------------

CHANGES = {
    "sequence": "UPDATE events SET sequence = 30 WHERE sequence = 3",
    "run": "UPDATE events SET run = 'other' WHERE sequence = 3",
    "step": "UPDATE events SET step = 'other' WHERE sequence = 3",
    "attempt": "UPDATE events SET attempt = 9 WHERE sequence = 3",
    "kind": "UPDATE events SET kind = 'other' WHERE sequence = 3",
    "at": "UPDATE events SET at = at + 1 WHERE sequence = 3",
    "body": """UPDATE events SET body = '{"number": 7}' WHERE sequence = 3""",
    "previous": "UPDATE events SET previous = hash WHERE sequence = 3",
    "hash": "UPDATE events SET hash = previous WHERE sequence = 3",
    "last": "UPDATE events SET run = 'other' WHERE sequence = 5",
    "removed": "DELETE FROM events WHERE sequence = 3",
    "first removed": "DELETE FROM events WHERE sequence = 1",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changes_are_refused(place: Place, change: str) -> None:
    _write(place)
    before = place.open().chain()
    try:
        place.sql(change)
    except sqlite3.IntegrityError as error:
        assert "append-only" in str(error)
    assert place.open().chain() == before


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changes_without_the_guards_are_noticed(place: Place, change: str) -> None:
    _write(place)
    assert broken(place.open().chain()) == ""
    place.unguarded(change)
    assert broken(place.open().chain()) != ""


def test_an_event_in_between_is_noticed(place: Place) -> None:
    _write(place)
    place.unguarded("UPDATE events SET sequence = sequence + 10 WHERE sequence > 3")
    place.sql("INSERT INTO events SELECT 4, 'x', step, attempt, kind, at, body, previous, hash"
              " FROM events WHERE sequence = 3")  # fmt: skip
    place.sql("UPDATE events SET sequence = sequence - 9 WHERE sequence > 10")
    assert len(place.open().chain()) == 6
    assert broken(place.open().chain()) == "event 4 does not follow the event before it"


# -- many processes -----------------------------------------------------------------------------


def test_eight_processes_at_once(place: Place) -> None:
    """They open a journal that is not there yet, too."""
    names = [f"child{number}" for number in range(8)]
    children = [_child(place, "burst", name) for name in names]
    told = [child.communicate(timeout=120)[0].splitlines() for child in children]
    assert [child.returncode for child in children] == [0] * 8
    chain = place.open().chain()
    assert broken(chain) == ""
    assert len(chain) == BURST + 8 * BURST
    assert {f"{event.sequence} {event.hash}" for event in chain} >= set().union(*told)
    for name in names:
        assert [event.body["number"] for event in place.open().events(name)] == [*range(BURST)]


def test_killed_in_the_middle_of_an_append(place: Place) -> None:
    _write(place, events=3)
    child = _child(place, "die", "child")
    child.communicate(timeout=30)
    assert child.returncode == -signal.SIGKILL
    begun = time.monotonic()
    event = place.open().append("run", "begun", {"by": "next"})
    assert time.monotonic() - begun < 5
    assert (event.sequence, event.body) == (4, {"by": "next"})
    assert broken(place.open().chain()) == ""


def test_killed_at_any_moment(place: Place) -> None:
    """What was told is there, and the next one goes on."""
    told: set[str] = set()
    chance = random.Random(7)
    for number in range(10):
        child = _child(place, "for-ever", f"child{number}")
        assert child.stdout
        told.add(child.stdout.readline().strip())
        time.sleep(chance.uniform(0, 0.05))
        child.kill()
        rest = child.communicate(timeout=30)[0].splitlines(keepends=True)
        told |= {line.strip() for line in rest if line.endswith("\n")}
        chain = place.open().chain()
        assert broken(chain) == ""
        assert told <= {f"{event.sequence} {event.hash}" for event in chain}


def test_reading_while_writing(place: Place) -> None:
    """A reader neither waits for an append under way nor sees it."""
    _write(place, events=3)
    reached, go_on = threading.Event(), threading.Event()

    class Slow(SystemTime):
        def now(self) -> float:
            reached.set()
            go_on.wait(30)
            return super().now()

    slow = place.open(Slow())
    writer = threading.Thread(target=lambda: slow.append("run", "ended", {}))
    writer.start()
    try:
        assert reached.wait(30)
        reader = place.open()
        begun = time.monotonic()
        assert len(reader.chain()) == 3
        assert reader.find("run", "ended") is None
        assert time.monotonic() - begun < 1
    finally:
        go_on.set()
        writer.join()
    assert len(reader.chain()) == 4

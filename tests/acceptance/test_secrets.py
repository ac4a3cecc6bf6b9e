"""No secret is ever seen: not on the screen, not in a record, not in the list of processes.

The application prints all its variables, in several forms, in the build, the migration, the
services and a check. The values are random and full of characters that are special somewhere.
"""

from __future__ import annotations

import base64
import json
import random
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from .site import Site, texts_in

SPECIAL = "'\"\\%$`{}<>&;|#~*?!=+/@: é漢🔑\t"
VARIABLES = """\
FROM_PROCESS: ${GIVEN_BY_PROCESS}
IN_A_URL: postgres://shop:${DECLARED_SECRET}@127.0.0.1/shop
SHOW: DECLARED_SECRET FROM_FILE FROM_PROCESS IN_A_URL UNDECLARED MANY_LINES
"""
SETTINGS = """\
env_files: [.env]
variables:
  DECLARED_SECRET: {secret: {min_length: 20}}
checks:
  - {id: careless, command: {run: {shell: 'env; echo "$DECLARED_SECRET" | base64 -w0; exit 1'}},
     run: before, severity: advisory}
"""
NAMES = ("DECLARED_SECRET", "FROM_FILE", "GIVEN_BY_PROCESS", "UNDECLARED", "MANY_LINES")
PRIVATE_FILES = ("*.launch", "*.db", "*.db-wal", "*.db-shm", "*.log", "*.json")
NO_SECRET = ("supervisord.log",)
"""Written by a program that gets none."""

Build = Callable[..., Site]


def _value() -> str:
    """A random value with everything in it that somebody might have to quote."""
    core = secrets.token_urlsafe(12)
    return "".join(random.sample(SPECIAL, len(SPECIAL))).strip() + core


def _line_in_env_file(name: str, value: str) -> str:
    """As python-dotenv reads it: in single quotes, with these two escapes."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{escaped}'\n"


@pytest.fixture(scope="module")
def values() -> dict[str, str]:
    """A secret for each way in."""
    found = {name: _value() for name in NAMES}
    found["MANY_LINES"] = f"{_value()}\n{_value()}\nthe end of it"
    return found


@pytest.fixture(scope="module")
def site(build_for_all: Build, values: dict[str, str]) -> Site:
    """A site with secrets that come in every way."""
    one = build_for_all(variables=VARIABLES, settings=SETTINGS, worker=False)
    in_file = ("FROM_FILE", "UNDECLARED", "MANY_LINES")
    lines = [_line_in_env_file(name, values[name]) for name in in_file]
    (one.project / ".env").write_text("".join(lines))
    (one.project / ".env").chmod(0o600)
    for name in ("DECLARED_SECRET", "GIVEN_BY_PROCESS"):
        one.environment[name] = values[name]
    return one


@pytest.fixture(scope="module")
def printed(site: Site) -> dict[str, str]:
    """What every command of a whole life printed; command lines are watched all the time."""
    said = {}
    with _watched_command_lines() as seen:
        said["deploy"] = site.run("deploy").text
        site.release(migrations=2)
        said["migrate"] = site.run("migrate").text
        site.release(migrations=2, mode="build-fails")
        said["update"] = site.run("update", "--json", expect=1).text
        site.release(migrations=3, mode="migration-fails")
        said["failed migration"] = site.run("migrate", expect=None).text
        site.release(migrations=2, mode="never-healthy")
        said["never healthy"] = site.run("update", expect=4).text
        said["check"] = site.run("check", expect=None).text
    said["command lines"] = "\n".join(seen)
    words = (
        *("status", "runs", "logs", "plan update", "plan update --json", "show last"),
        *("show last --output", "show last --json", "journal export"),
    )
    for word in words:
        said[word] = site.run(*word.split()).text
    page = site.folder / "page.html"
    site.run("show", "last", "--html", str(page))
    said["page"] = page.read_text()
    return said


@contextmanager
def _watched_command_lines() -> Iterator[set[str]]:
    """Every command line of this machine, again and again."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    seen.add(path.read_bytes().decode(errors="replace"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _found(values: dict[str, str], text: str) -> list[str]:
    """The names of the secrets that a text shows, in whatever form."""
    return [
        name
        for name, value in values.items()
        if any(form in text for part in _parts(value) for form in _forms(part))
    ]


def _parts(value: str) -> list[str]:
    return [value, *(line for line in value.split("\n") if len(line) > 20)]


def _forms(value: str) -> set[str]:
    core = value[-16:]
    return {
        value,
        core,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        quote(value, safe=""),
        base64.b64encode(value.encode()).decode(),
        base64.b64encode(value.encode()).decode().rstrip("="),
    }


def test_the_application_really_had_them(
    site: Site, values: dict[str, str], printed: dict[str, str]
) -> None:
    """Otherwise nothing below would prove anything: the services wrote them into their own log."""
    logs = "".join(path.read_text() for path in (site.target / "logs").glob("web--*.log"))
    for name in ("DECLARED_SECRET", "FROM_FILE", "UNDECLARED", "GIVEN_BY_PROCESS"):
        assert values[name] in logs, name


def test_no_command_prints_one(values: dict[str, str], printed: dict[str, str]) -> None:
    shown = {command: _found(values, text) for command, text in printed.items()}
    assert not {command: names for command, names in shown.items() if names}
    assert "•••" in printed["show last --output"]


@pytest.mark.parametrize("name", ["journal.db", "dbos.db"])
def test_no_database_of_gonogo_has_one(
    site: Site, values: dict[str, str], printed: dict[str, str], name: str
) -> None:
    """Every column as it is and decoded, and the bytes of the files beside it."""
    path = site.data / name
    shown = {each for text in texts_in(path) for each in _found(values, text)}
    for file in (path, path.with_name(f"{name}-wal")):
        if file.exists():
            shown |= set(_found(values, file.read_bytes().decode(errors="replace")))
    assert not shown


def test_no_file_of_gonogo_has_one(
    site: Site, values: dict[str, str], printed: dict[str, str]
) -> None:
    """Except the two kinds that must: launch files, and what the application itself logged."""
    shown = {}
    for path in (site.project / ".gonogo").rglob("*"):
        own = path.suffix == ".launch" or path.parent == site.target / "logs"
        if path.is_file() and not own:
            names = _found(values, path.read_bytes().decode(errors="replace"))
            if names:
                shown[str(path.relative_to(site.project))] = names
    assert not shown


def test_every_file_that_could_hold_one_is_private(
    site: Site, values: dict[str, str], printed: dict[str, str]
) -> None:
    """Folders 0700 from .gonogo down, and files 0600 outside the releases themselves."""
    root = site.project / ".gonogo"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stat.S_IMODE((root / "data").stat().st_mode) == 0o700
    wide = {
        str(path.relative_to(root)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in root.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not _in_a_release(path, site)
        and path.name not in NO_SECRET
        and any(path.match(kind) for kind in PRIVATE_FILES)
        and stat.S_IMODE(path.stat().st_mode) & 0o077
    }
    assert not wide


def _in_a_release(path: Path, site: Site) -> bool:
    below = path.relative_to(site.project / ".gonogo").parts
    return len(below) > 4 and below[:3] == ("target", "development", "releases")


def test_a_secret_as_a_word_of_gonogo_yml_is_refused(
    site: Site, values: dict[str, str], printed: dict[str, str]
) -> None:
    """Written out instead of referenced, it would get into every plan."""
    secret = "correct-horse-battery-staple"
    path = site.project / "gonogo.yml"
    text = path.read_text()
    path.write_text(text.replace("SHOW: ", f"COPIED: {secret}\n      SHOW: "))
    try:
        ran = site.run("update", expect=7, variables={"DECLARED_SECRET": secret})
    finally:
        path.write_text(text)
    assert secret not in ran.text
    assert "${NAME}" in ran.text

"""The application that the acceptance tests release: one file, standard library only.

`app.py build | web | worker | migrate | pending`. What it is and how it behaves stands in
release.json beside it; every command notes in COMMAND_LOG that it ran.
"""

import json
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

ABOUT: dict[str, Any] = json.loads((Path(__file__).parent / "release.json").read_text())
MODE: str = ABOUT.get("mode", "")


def note(what: str) -> None:
    """One line in the log of commands, written in one piece."""
    line = f"{what} {ABOUT['number']} {os.environ.get('RELEASE', '-')}\n"
    handle = os.open(os.environ["COMMAND_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, line.encode())
    os.close(handle)


def tell() -> None:
    """Print the variables named in SHOW, as a careless program would, in several forms."""
    for name in os.environ.get("SHOW", "").split():
        value = os.environ.get(name, "")
        print(f"{name}={value}")
        print(json.dumps({name: value}))
        print(repr(value), file=sys.stderr)
    sys.stdout.flush()


def build() -> None:
    """Write one file; slow or broken on demand."""
    note("build-begin")
    time.sleep(float(ABOUT.get("build_seconds", 0)))
    if MODE == "build-fails":
        sys.exit("the build is broken")
    Path("built.txt").write_text("built\n")
    note("build-end")


def web() -> None:
    """Serve until SIGTERM."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            crazy = os.environ.get("NEW_CHECKOUT") == "crazy"
            sick = (MODE == "never-healthy" or crazy) and self.path == "/health"
            on = os.environ.get("NEW_CHECKOUT") == "true"
            broken = MODE == "answers-500" or (MODE == "flag-breaks" and on)
            failing = broken and self.path == "/"
            about = {"release": os.environ["RELEASE"], "number": ABOUT["number"]}
            about["flag"] = os.environ.get("NEW_CHECKOUT", "-")
            text = json.dumps(about).encode()
            self.send_response(503 if sick else 500 if failing else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server((os.environ["HOST"], int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    note("web")
    server.serve_forever()


def worker() -> None:
    """Do nothing until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    note("worker")
    while True:
        time.sleep(60)


def database() -> sqlite3.Connection:
    """The database with its table of migrations."""
    connection = sqlite3.connect(os.environ["DATABASE"], timeout=10, isolation_level=None)
    connection.execute("CREATE TABLE IF NOT EXISTS applied (number INTEGER, release TEXT)")
    connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total INTEGER)")
    return connection


def missing(connection: sqlite3.Connection) -> list[int]:
    """The migrations of this release that were not applied."""
    done = {number for (number,) in connection.execute("SELECT number FROM applied")}
    return [number for number in range(1, ABOUT["migrations"] + 1) if number not in done]


def migrate() -> None:
    """Apply what is missing. Done twice, a migration would be seen: it counts in every order."""
    note("migrate")
    connection = database()
    for number in missing(connection):
        connection.execute("BEGIN IMMEDIATE")
        if number == 1:
            connection.execute("INSERT INTO orders (total) VALUES (0), (0), (0)")
        connection.execute(f"ALTER TABLE orders ADD COLUMN added_{number} TEXT DEFAULT ''")
        connection.execute("UPDATE orders SET total = total + 1")
        connection.execute("INSERT INTO applied VALUES (?, ?)", (number, os.environ["RELEASE"]))
        if MODE == "migration-fails":
            sys.exit("the migration is broken")
        connection.execute("COMMIT")
        print(f"applied {number:04d}")
    connection.close()


def pending() -> None:
    """One line for each migration that is missing."""
    if not os.path.exists(os.environ["DATABASE"]):
        numbers = list(range(1, ABOUT["migrations"] + 1))
    else:
        connection = database()
        numbers = missing(connection)
        connection.close()
    for number in numbers:
        print(f"{number:04d}_add")


if __name__ == "__main__":
    command = sys.argv[1]
    if command != "pending":
        tell()
    {"build": build, "web": web, "worker": worker, "migrate": migrate, "pending": pending}[
        command
    ]()

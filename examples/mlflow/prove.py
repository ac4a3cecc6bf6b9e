"""Releases MLflow across an upgrade and back, and says which of gonogo's promises held.

    python examples/mlflow/prove.py [--show]      --show prints all that gonogo says, too

Needs git, uv and a package index. Works in a temporary folder and removes it. With the variable
GONOGO_PROOF_RESULTS the result is written to mlflow.json in that folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OLD, NEW = "3.16.1", "3.17.2"
FIRST, SECOND = "price-model", "churn-model"
PAUSE = 0.05
OK, REFUSED = 0, 7


@dataclass(kw_only=True)
class Proof:
    """What held, and how long it took."""

    show: bool = False
    ticks: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    traffic: dict[str, dict[str, float]] = field(default_factory=dict)

    def tick(self, what: str, held: bool, detail: str = "") -> None:
        """Note and print whether something held."""
        self.ticks.append({"what": what, "held": held})
        print(f"{'✔' if held else '✘'} {what}{'' if held else f'   {detail}'}", flush=True)

    @property
    def held(self) -> bool:
        """Whether everything did."""
        return bool(self.ticks) and all(tick["held"] for tick in self.ticks)

    def to_json(self) -> dict[str, Any]:
        """All of it, plain."""
        return {
            "proof": "mlflow",
            "ok": self.held,
            "versions": [OLD, NEW],
            "seconds": self.seconds,
            "traffic": self.traffic,
            "ticks": self.ticks,
        }


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command answered."""

    code: int
    text: str


@dataclass(kw_only=True)
class Project:
    """MLflow in a git repository of its own, released by gonogo."""

    folder: Path
    port: int
    proof: Proof
    experiment: str = "Default"

    @property
    def address(self) -> str:
        """Where users reach it."""
        return f"http://127.0.0.1:{self.port}"

    def commit(self, version: str) -> None:
        """A commit with that version of MLflow."""
        shutil.copyfile(HERE / f"requirements-{version}.txt", self.folder / "requirements.txt")
        _git(self.folder, "add", "--all")
        _git(self.folder, "commit", "--quiet", "--message", f"MLflow {version}")

    def gonogo(self, *arguments: str, name: str = "") -> Said:
        """Run gonogo as a person would; with a name its duration is kept."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GONOGO_")}
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "gonogo", *arguments],
            cwd=self.folder,
            env={**environment, "CHECK_EXPERIMENT": self.experiment, "GONOGO_PERSON": "aiko"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        if name:
            self.proof.seconds[name] = round(time.monotonic() - begun, 1)
        if self.proof.show:
            print(f"\n$ gonogo {' '.join(arguments)}\n{done.stdout}(exit code {done.returncode})\n")
        return Said(code=done.returncode, text=done.stdout)

    def get(self, path: str) -> str:
        """The body of an answer, empty without one."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return ""

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON answer of MLflow's REST API."""
        request = urllib.request.Request(
            f"{self.address}/api/2.0/mlflow/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
            return found

    def write(self, experiment: str) -> None:
        """An experiment with one run, which has a parameter and a metric."""
        number = self.post("experiments/create", {"name": experiment})["experiment_id"]
        now = int(time.time() * 1000)
        body = {"experiment_id": number, "start_time": now, "run_name": f"{experiment}-run"}
        run = self.post("runs/create", body)["run"]["info"]["run_id"]
        self.post("runs/log-parameter", {"run_id": run, "key": "rate", "value": "0.1"})
        metric = {"run_id": run, "key": "loss", "value": 0.25, "timestamp": now, "step": 1}
        self.post("runs/log-metric", metric)
        self.post("runs/update", {"run_id": run, "status": "FINISHED", "end_time": now})

    def read(self) -> dict[str, float]:
        """Each run's metric, as MLflow tells it."""
        found = self.post("experiments/search", {"max_results": 100})["experiments"]
        numbers = [one["experiment_id"] for one in found]
        runs = self.post("runs/search", {"experiment_ids": numbers}).get("runs", [])
        return {run["info"]["run_name"]: run["data"]["metrics"][0]["value"] for run in runs}

    def schema(self) -> tuple[str, str]:
        """MLflow's migration number and a hash over all tables, read past MLflow and gonogo."""
        database = sqlite3.connect(f"{(self.folder / 'mlflow.db').as_uri()}?mode=ro", uri=True)
        with closing(database):
            version = database.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            tables = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name")
            return str(version), hashlib.sha256(repr(tables.fetchall()).encode()).hexdigest()

    def processes(self) -> list[str]:
        """Everything that runs from the folder."""
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        return [line for line in listed.stdout.splitlines() if str(self.folder) in line]


@contextmanager
def project(proof: Proof) -> Iterator[Project]:
    """A new repository with MLflow; afterwards everything is stopped and removed."""
    folder = Path(tempfile.mkdtemp(prefix="gonogo-mlflow-")).resolve()
    one = Project(folder=folder, port=_free_port(), proof=proof)
    shutil.copyfile(HERE / "pending.py", folder / "pending.py")
    settings = (HERE / "gonogo.yml").read_text().replace("port: 5000", f"port: {one.port}")
    (folder / "gonogo.yml").write_text(settings)
    (folder / ".gitignore").write_text(".gonogo/\nmlflow.db*\nartifacts/\n")
    _git(folder, "init", "--quiet", "--initial-branch=main")
    try:
        yield one
    finally:
        one.gonogo("stop")
        proof.tick("nothing is left running", not one.processes(), "\n".join(one.processes()))
        shutil.rmtree(folder)


@contextmanager
def users(one: Project, name: str) -> Iterator[None]:
    """Somebody reads experiments all the time; how many requests failed is kept."""
    over = threading.Event()
    answers: list[tuple[float, bool]] = []

    def read() -> None:
        while not over.is_set():
            try:
                well = "experiments" in one.post("experiments/search", {"max_results": 1})
            except (urllib.error.URLError, OSError, ValueError):
                well = False
            answers.append((time.monotonic(), well))
            time.sleep(PAUSE)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield
    finally:
        time.sleep(3 * PAUSE)
        over.set()
        thread.join()
        well = [at for at, fine in answers if fine]
        gaps = [later - earlier for earlier, later in pairwise(well)]
        one.proof.traffic[name] = {
            "requests": len(answers),
            "failed": len(answers) - len(well),
            "longest_without_answer": round(max(gaps, default=0.0), 1),
        }


def first_deployment(one: Project, proof: Proof) -> None:
    """The old version, and data in it."""
    one.commit(OLD)
    planned = one.gonogo("plan", "deploy", name="plan deploy")
    touched = (one.folder / "mlflow.db").exists() or one.processes()
    proof.tick("plan deploy shows every command and touches nothing", not touched, planned.text)
    done = one.gonogo("deploy", name="deploy")
    proof.tick(f"deploy brings {OLD} up", one.get("/version") == OLD, done.text)
    proof.tick("deploy ends with go", done.code == OK, done.text)
    one.write(FIRST)
    one.experiment = FIRST
    proof.tick("an experiment is written over REST", one.read() == {f"{FIRST}-run": 0.25})


def update_is_refused(one: Project, proof: Proof) -> None:
    """The new version would migrate as soon as it starts; update must not let it."""
    before = one.schema()
    one.commit(NEW)
    with users(one, "update that is refused"):
        said = one.gonogo("update", name="update that is refused")
    proof.tick("update is refused: 2 migrations are pending", said.code == REFUSED, said.text)
    named = "sql trace analytics" in said.text and "gonogo migrate" in said.text
    proof.tick("it names them, and what to type instead", named, said.text)
    proof.tick(f"{NEW} was never started: the schema is as it was", one.schema() == before)
    proof.tick(f"{OLD} goes on serving", one.get("/version") == OLD)
    failed = proof.traffic["update that is refused"]["failed"]
    proof.tick("no request failed meanwhile", failed == 0, f"{failed} failed")


def migrate(one: Project, proof: Proof) -> None:
    """With the writers stopped and a copy made."""
    before = one.schema()
    planned = one.gonogo("plan", "migrate", name="plan migrate")
    proof.tick("plan migrate touches nothing", one.schema() == before, planned.text)
    order = [planned.text.find(word) for word in ("stop-writers", "copy-database", "db upgrade")]
    proof.tick("writers stop, then the copy, then the migration", order == sorted(order))
    with users(one, "migrate"):
        done = one.gonogo("migrate", name="migrate")
    proof.tick("migrate ends with go", done.code == OK, done.text)
    proof.tick(f"{NEW} is live", one.get("/version") == NEW, done.text)
    proof.tick("the schema has moved", one.schema()[0] != before[0])
    proof.tick("the data from before is there", one.read() == {f"{FIRST}-run": 0.25})
    one.write(SECOND)
    proof.tick("new data is written", len(one.read()) == 2)


def rollback(one: Project, proof: Proof, old_schema: tuple[str, str]) -> None:
    """Back, which loses what was written since: only with the copy named."""
    moved = one.schema()
    said = one.gonogo("rollback", name="rollback that is refused")
    proof.tick("rollback alone is refused: the schema has moved", said.code == REFUSED, said.text)
    proof.tick("it says what to type instead", "--database restore --confirm before-" in said.text)
    said = one.gonogo("rollback", "--database", "restore")
    proof.tick("restoring without --confirm is refused", said.code == REFUSED, said.text)
    name = said.text.split("--confirm ")[-1].split()[0]
    proof.tick("it names the copy and its age", name in said.text and " old" in said.text)
    proof.tick("up to here nothing was changed", one.schema() == moved and len(one.read()) == 2)
    with users(one, "rollback with database"):
        done = one.gonogo(
            "rollback", "--database", "restore", "--confirm", name, name="rollback with database"
        )
    proof.tick("rollback with the copy named ends with go", done.code == OK, done.text)
    proof.tick(f"{OLD} is live again", one.get("/version") == OLD, done.text)
    proof.tick("the old schema is back", one.schema() == old_schema)
    proof.tick("the old data is there, the new is not", one.read() == {f"{FIRST}-run": 0.25})
    copies = one.folder.glob(".gonogo/target/development/copies/*.db")
    kept = [path for path in copies if _runs(path) == 2]
    proof.tick("the new data is kept in a copy", bool(kept))


def end(one: Project, proof: Proof) -> None:
    """The record, and a clean end."""
    said = one.gonogo("journal", "verify")
    proof.tick("the journal is whole", said.code == OK, said.text)
    said = one.gonogo("stop", name="stop")
    proof.tick("stop ends with go", said.code == OK, said.text)


def _runs(database: Path) -> int:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
        return int(opened.execute("SELECT count(*) FROM runs").fetchone()[0])


def _git(folder: Path, *arguments: str) -> None:
    person = ("-c", "user.name=MLflow proof", "-c", "user.email=proof@example.com")
    subprocess.run(["git", *person, *arguments], cwd=folder, check=True, timeout=60)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def story(proof: Proof) -> None:
    """All of it, in order."""
    with project(proof) as one:
        first_deployment(one, proof)
        old_schema = one.schema()
        update_is_refused(one, proof)
        migrate(one, proof)
        rollback(one, proof, old_schema)
        end(one, proof)


def main() -> int:
    """0 if everything held, 2 if it cannot be tried here."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if missing := [tool for tool in ("git", "uv") if shutil.which(tool) is None]:
        print(f"not tried: {' and '.join(missing)} not installed")
        return 2
    proof = Proof(show="--show" in sys.argv)
    try:
        story(proof)
    except Exception as error:
        proof.tick("the proof came to its end", False, f"{type(error).__name__}: {error}")
    print(json.dumps({"seconds": proof.seconds, "traffic": proof.traffic}, indent=2))
    if results := os.environ.get("GONOGO_PROOF_RESULTS"):
        Path(results).mkdir(parents=True, exist_ok=True)
        text = json.dumps(proof.to_json(), indent=2, ensure_ascii=False)
        (Path(results) / "mlflow.json").write_text(text + "\n")
    return 0 if proof.held else 1


if __name__ == "__main__":
    sys.exit(main())

"""A portal that gonogo releases: its commands, its containers, and the customers who use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from .engine import docker
from .portal import Portal
from .standins import ROOT

sys.path.insert(0, str(ROOT / "examples" / "demo"))

from stage import Traffic

LONGEST = 600.0


@dataclass(frozen=True)
class Ended:
    """A command of gonogo that ended."""

    code: int
    output: str


class Released:
    """The commands that a team gives, and what lies in the engine after them."""

    def __init__(self, portal: Portal) -> None:
        self.site = portal
        self.portal = portal.folder
        self.backend = portal.backend
        self.frontend = portal.frontend
        lines = (portal.folder / ".env").read_text().splitlines()
        self.project = dict(line.split("=", 1) for line in lines if "=" in line)[
            "COMPOSE_PROJECT_NAME"
        ]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that runs by itself."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["gonogo", *words],
            cwd=self.portal,
            env={**os.environ, "PATH": path, "GONOGO_PERSON": "tomas", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str) -> Ended:
        """A command and its end."""
        process = self.start(*words)
        output, _ = process.communicate(timeout=LONGEST)
        return Ended(process.returncode, output)

    def release(self, ref: str) -> None:
        """Have the working tree at a commit."""
        self.git("checkout", "--quiet", "--detach", ref)

    def change(self, name: str, old: str, new: str) -> None:
        """Commit a change of a file."""
        path = self.portal / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        self.git("commit", "-qam", new)

    def commit(self, text: str) -> None:
        """Commit a change that no service reads."""
        (self.portal / "NOTES").write_text(text)
        self.git("add", "--all")
        self.git("commit", "-qm", text)

    def live(self) -> str:
        """The release that serves, by its own word."""
        version: str = httpx.get(f"{self.backend}/version").json()["version"]
        return version

    def git(self, *words: str) -> str:
        """Run git and return what it printed."""
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *words]
        done = subprocess.run(command, cwd=self.portal, check=True, capture_output=True, text=True)
        return done.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """What docker knows of the project's containers, by name without the project's."""
        listed = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}")
        found = json.loads(docker("inspect", *listed.split())) if listed else []
        return {one["Name"].removeprefix(f"/{self.project}-"): one for one in found}

    def instances(self) -> list[str]:
        """Names of the containers that belong to a release."""
        return sorted(name for name in self.containers() if "--" in name)

    def status(self) -> dict[str, Any]:
        """What `gonogo status` answers."""
        answer: dict[str, Any] = json.loads(self.run("status", "production", "--json").output)
        return answer

    def traffic(self, rate: float) -> Traffic:
        """Customers, until stop()."""
        customers = Traffic(self, rate)
        assert customers.begun()
        return customers

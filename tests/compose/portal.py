"""The example portal as a Compose project of its own."""

from __future__ import annotations

import socket
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from .engine import docker
from .standins import ROOT

sys.path.insert(0, str(ROOT / "examples" / "portal"))

from make_releases import make_releases

UP_SECONDS = 300.0
WATCH = """\
    watch:
      length: 10s
      every: 2s
      no_go: [error_rate > 5%]
"""
"""Of its gonogo.yml in production."""


@dataclass(frozen=True)
class Portal:
    """A git repository with the releases of the portal, and an .env with free ports."""

    folder: Path
    frontend: str
    backend: str

    def compose(self, *words: object, timeout: float = UP_SECONDS) -> str:
        """Run a docker compose command and return what it printed."""
        return docker("compose", *words, cwd=self.folder, timeout=timeout)

    def remove(self) -> None:
        """Leave nothing of it in the engine."""
        self.compose("down", "--volumes", "--remove-orphans", "--rmi=local", "--timeout=1")


def make_portal(folder: Path) -> Portal:
    """Do what its README asks for, short of starting it, and without its watch."""
    make_releases(folder, replace={WATCH: ""})
    frontend, backend = _free_port(), _free_port()
    own = {
        "COMPOSE_PROJECT_NAME": f"portal-{uuid.uuid4().hex[:8]}",
        "FRONTEND_PORT": frontend,
        "BACKEND_PORT": backend,
    }
    lines = [f"{name}={value}\n" for name, value in own.items()]
    settings = folder / ".env"
    settings.touch(mode=0o600)
    settings.write_text((folder / ".env.example").read_text() + "".join(lines))
    return Portal(folder, f"http://127.0.0.1:{frontend}", f"http://127.0.0.1:{backend}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""Makes docs/images/update.svg from the recorded output of a real update of examples/portal.

`python docs/make_images.py` draws the recording again. With `--record` it first makes the portal's
releases in a temporary folder, deploys the first, updates to the second under requests, and keeps
what `gonogo update` printed in docs/images/update.txt. That needs the portal's requirements, and
the ports 3000 and 4000 free.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path

IMAGES = Path(__file__).resolve().parent / "images"
PORTAL = Path(__file__).resolve().parents[1] / "examples" / "portal"
WIDTH = 118


def draw(recorded: str) -> str:
    """The picture of a terminal that shows the recording."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=WIDTH, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(recorded.rstrip("\n")), highlight=False, soft_wrap=True)
    return console.export_svg(title="gonogo update", unique_id="gonogo-update")


def record() -> str:
    """What an update printed, with its colours."""
    with tempfile.TemporaryDirectory(prefix="gonogo-picture-") as folder:
        project = Path(folder) / "portal"
        _run(sys.executable, str(PORTAL / "make_releases.py"), str(project))
        over = threading.Event()
        users = threading.Thread(target=_requests, args=(over,))
        try:
            _gonogo(project, "deploy")
            users.start()
            _run("git", "-C", str(project), "merge", "--quiet", "--ff-only", "v2")
            return "$ gonogo update\n" + _gonogo(project, "update")
        finally:
            over.set()
            _gonogo(project, "stop")


def _requests(over: threading.Event) -> None:
    """Somebody has to use the portal, or the watch window is undecided."""
    while not over.wait(0.05):
        with suppress(OSError):
            urllib.request.urlopen("http://127.0.0.1:3000/login", timeout=10).read()


def _gonogo(project: Path, *words: str) -> str:
    """Through the shell's own terminal-less pipe, coloured because FORCE_COLOR says so."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GONOGO_")},
        "GONOGO_PERSON": "tomas",
        "FORCE_COLOR": "1",
        "TTY_INTERACTIVE": "0",
        "TERM": "xterm-256color",
        "COLUMNS": str(WIDTH),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "gonogo", "-C", str(project), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return settled(done.stdout)


def settled(output: str) -> str:
    """What stays on the screen: lines that were written over and cursor movements are taken out."""
    without = re.sub(r"\x1b\[[0-9;?]*[A-HJKSTfhlsu]", "", output)
    lines = [line.rpartition("\r")[2] for line in without.splitlines()]
    return "\n".join(line for line in lines if not re.match(r"(\x1b\[\d+m)*[⠀-⣿]", line)) + "\n"


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def main() -> None:
    """Draw; with --record, record first."""
    source = IMAGES / "update.txt"
    if "--record" in sys.argv[1:]:
        source.write_text(record())
    (IMAGES / "update.svg").write_text(draw(source.read_text()))
    print("wrote docs/images/update.svg")


if __name__ == "__main__":
    main()

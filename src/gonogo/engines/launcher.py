"""Turns itself into an instance of a service: `python -I -S launcher.py LAUNCH_FILE`.

Supervisor would show the environment and the command of a program in its own configuration. This
little program reads both from a private file instead, so that secrets are only there and in the
environment of the process. It is replaced by the application, which therefore gets the signals
itself. Standard library only, because it runs with the application's user and without site
packages.
"""

import json
import os
import sys


def main() -> None:
    """Read the launch file, go to the release folder and become the application."""
    with open(sys.argv[1], encoding="utf-8") as file:
        launch = json.load(file)
    argv = launch["argv"]
    try:
        os.chdir(launch["folder"])
        os.execvpe(argv[0], argv, launch["environment"])
    except OSError as problem:
        # No traceback: its frames are of no use to the reader, and the values must not be seen.
        sys.exit(f"cannot start {argv[0]} in {launch['folder']}: {problem.strerror}")


if __name__ == "__main__":
    main()

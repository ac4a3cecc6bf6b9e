"""The images of the tests, under the names of the official ones.

An image that is not there is pulled. Where no registry can be reached, a stand-in is made of
Debian's packages by images/NAME: as much of the official image as the tests need. It carries the
hash of its recipe, and is made again when that changes. All other images stay as they are.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .engine import docker, works

ROOT = Path(__file__).parents[2]
RECIPES = Path(__file__).parent / "images"
REQUIREMENTS = ROOT / "examples" / "portal" / "requirements.txt"

BASE = "gonogo-tests/base"
IMAGES = {
    "python:3.11-slim": "python",
    "postgres:15": "postgres",
    "redis:7": "redis",
    "haproxy:2.6": "haproxy",
    "nginx:1.22": "nginx",
    "traefik:v3.7": "traefik",
}
LABEL = "gonogo-tests.recipe"
MAKE_SECONDS = 900.0


def provide() -> None:
    """Have every image of the tests in the engine."""
    with ThreadPoolExecutor(len(IMAGES)) as threads:
        kept = threads.map(_is_there, IMAGES)
        wanted = [image for image, there in zip(IMAGES, kept, strict=True) if not there]
        if wanted:
            _make_base()
            list(threads.map(_make, wanted))


def _is_there(image: str) -> bool:
    """Tell whether there is the stand-in of today or another image; pull it if there is none."""
    if not works("image", "inspect", image):
        return works("pull", "--quiet", image, timeout=MAKE_SECONDS)
    return _recipe_of(image) in ("", _recipe(image))


def _recipe_of(image: str) -> str:
    """The recipe after which an image was made; empty if it was not made here."""
    return docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', image)


def _recipe(image: str) -> str:
    files = sorted((RECIPES / IMAGES[image]).iterdir())
    return _hash([RECIPES / "base.sh", *files, REQUIREMENTS])


def _hash(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _make_base() -> None:
    script = RECIPES / "base.sh"
    recipe = _hash([script])
    if works("image", "inspect", BASE) and _recipe_of(BASE) == recipe:
        return
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("no registry answers, and only root with debootstrap can make images")
    command = [str(script), BASE, f"{LABEL}={recipe}"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=MAKE_SECONDS, check=False
    )
    assert done.returncode == 0, f"{script.name}: {done.stdout}{done.stderr}"


def _make(image: str) -> None:
    docker(
        *("build", "--quiet", "--tag", image, "--label", f"{LABEL}={_recipe(image)}"),
        *("--file", RECIPES / IMAGES[image] / "Dockerfile", ROOT),
        timeout=MAKE_SECONDS,
    )

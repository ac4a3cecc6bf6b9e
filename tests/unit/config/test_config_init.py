"""For each kind of repository the proposal is short, and our own loader accepts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gonogo.config.find import find_project
from gonogo.config.init import propose
from gonogo.config.load import load
from gonogo.model.configuration import Configuration
from gonogo.model.errors import BadConfiguration

KINDS: dict[str, dict[str, str]] = {
    "empty": {},
    "compose": {"docker-compose.yml": "services: {}", "Dockerfile": "FROM x", ".env.example": "A="},
    "node": {"package.json": '{"scripts": {"build": "tsc", "start": "node ."}}', ".env": "A=1"},
    "pnpm": {"package.json": '{"scripts": {"start": "x"}}', "pnpm-lock.yaml": ""},
    "broken-node": {"package.json": '{"scripts": ['},
    "deep-node": {"package.json": "[" * 100_000},
    "odd-node": {"package.json": '{"scripts": "x"}'},
    "python": {"pyproject.toml": '[project]\nname = "x"\n[project.scripts]\nserve = "x:main"\n'},
    "library": {"pyproject.toml": "[project]\nname = 'x'\n", "alembic.ini": ""},
    "broken-python": {"pyproject.toml": "[["},
    "django": {"manage.py": "", "pyproject.toml": ""},
    "procfile": {
        "Procfile": 'web: gunicorn app:app -b "0.0.0.0:$PORT"\nworker: rq worker # x\n'
        "release: ./migrate\n# a comment: with a colon\n"
    },
    "many": {"Procfile": "".join(f"service-{n}: run {n}\n" for n in range(30)), "Dockerfile": ""},
    "prisma": {"prisma/schema.prisma": "", "package.json": "{}"},
}


def lay(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["portal", "My Portal (2)", "123", "a" * 80])
def test_proposal(kind: str, name: str, tmp_path: Path, plugins: Any) -> None:
    folder = tmp_path / name
    folder.mkdir()
    lay(folder, KINDS[kind])
    text = propose(folder)
    assert len(text.splitlines()) <= 15
    (folder / "gonogo.yml").write_text(text)
    assert load(folder / "gonogo.yml", plugins).environments["development"].development


def proposed(tmp_path: Path, kind: str, plugins: Any) -> tuple[str, Configuration]:
    lay(tmp_path, KINDS[kind])
    text = propose(tmp_path)
    (tmp_path / "gonogo.yml").write_text(text)
    return text, load(tmp_path / "gonogo.yml", plugins)


def test_what_is_derived(tmp_path: Path, plugins: Any) -> None:
    _, whole = proposed(tmp_path, "node", plugins)
    development = whole.environments["development"]
    assert development.build.commands == (("npm", "run", "build"),)
    assert development.services["web"].command == ("npm", "run", "start")
    assert development.env_files == (".env",)


def test_what_is_not_used_is_said(tmp_path: Path, plugins: Any) -> None:
    text, _ = proposed(tmp_path, "compose", plugins)
    assert "# Found, not used yet: docker-compose.yml, Dockerfile, .env.example." in text


def test_procfile(tmp_path: Path, plugins: Any) -> None:
    _, whole = proposed(tmp_path, "procfile", plugins)
    assert list(whole.environments["development"].services) == ["web", "worker"]


def test_find_project(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    with pytest.raises(BadConfiguration, match=r"there is no gonogo\.yml in ") as caught:
        find_project(below)
    assert caught.value.next_step == "gonogo init"
    (tmp_path / "gonogo.yml").write_text("app: a\n")
    assert find_project(below) == tmp_path

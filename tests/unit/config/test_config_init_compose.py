"""What is proposed for a team's own compose file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gonogo.config.init import MAX_LINES, from_compose, propose
from gonogo.config.load import load
from gonogo.model.configuration import Environment, Service
from gonogo.model.errors import BadConfiguration

EXAMPLE = Path(__file__).parents[3] / "examples" / "portal"

CURL = "healthcheck: {test: curl -f http://localhost:8000/up || exit 1}"
PLAIN = """\
services:
  web:
    build: .
    ports: ["8080:8000"]
    environment:
      - DATABASE_URL=postgres://app:secret@db:5432/app
  worker:
    build: {context: .}
    command: celery
  api:
    build: api
  nginx:
    image: nginx:1.25
    ports: ["80:80"]
  db:
    image: postgres:15
    volumes: [data:/var/lib/postgresql/data]
  debug:
    build: .
    profiles: [debug]
volumes:
  data:
"""


def proposed(folder: Path, plugins: Any, **files: str) -> Environment:
    """What is proposed for these files, read as `gonogo.yml` is."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yml", ".yml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    text = propose(folder)
    assert len(text.splitlines()) <= MAX_LINES
    (folder / "gonogo.yml").write_text(text)
    (folder / ".env").touch()  # As its notes ask for.
    return load(folder / "gonogo.yml", plugins).environments["production"]


def test_the_example(tmp_path: Path, plugins: Any) -> None:
    for name in ("compose.yml", ".env.example"):
        (tmp_path / name).write_text((EXAMPLE / name).read_text())
    found = from_compose(tmp_path)
    assert found
    assert found.notes == ["cp .env.example .env, and fill it in"]
    production = proposed(tmp_path, plugins)
    assert production.engine == {"compose": {}}
    assert production.services == {
        "frontend": Service(port=3000, health="/_health"),
        "backend": Service(port=4000, health="/health"),
        "worker": Service(),
    }
    assert production.database
    assert production.database.postgres == "${DATABASE_URL}"
    assert production.env_files == (".env",)
    assert "# not released, kept as it is: postgres, redis" in (tmp_path / "gonogo.yml").read_text()


def test_an_ordinary_file(tmp_path: Path, plugins: Any) -> None:
    files = {"Dockerfile": "FROM x\nEXPOSE 8000\n", "api__Dockerfile": "FROM x\nexpose 9000/tcp\n"}
    (tmp_path / "docker-compose.yml").write_text(PLAIN)
    production = proposed(tmp_path, plugins, **files)
    assert production.services == {
        "web": Service(port=8000),
        "worker": Service(),
        "api": Service(port=9000),
    }
    assert production.database is None
    text = (tmp_path / "gonogo.yml").read_text()
    assert "kept as it is: nginx, db" in text
    assert "# database: {postgres: ${DATABASE_URL}}  # the address of db" in text
    assert "secret" not in text
    assert (tmp_path / "docker-compose.yml").read_text() == PLAIN


@pytest.mark.parametrize(
    ("service", "port", "health"),
    [
        ("ports: ['127.0.0.1:80:8000/tcp']", 8000, None),
        ("ports: ['${PORT:-80}:8000']", 8000, None),
        ("ports: [{target: 8000, published: 80}]", 8000, None),
        ("expose: [8000]", 8000, None),
        (f"ports: ['9:9', '80:8000']\n    {CURL}", 8000, "/up"),
        ("healthcheck: {test: [CMD, wget, -q, 'http://127.0.0.1:8000/up']}", 8000, "/up"),
        ("healthcheck: {test: [CMD, pg_isready]}", None, None),
        ("healthcheck: {disable: true}", None, None),
        ("command: [run]", None, None),
    ],
)  # fmt: skip
def test_port_and_health(
    service: str, port: int | None, health: str | None, tmp_path: Path, plugins: Any
) -> None:
    text = f"services:\n  web:\n    build: .\n    {service}\n"
    web = proposed(tmp_path, plugins, compose_yml=text).services["web"]
    assert (web.port, web.health) == (port, health)


def test_the_port_at_which_another_service_calls_it(tmp_path: Path, plugins: Any) -> None:
    text = (
        "services:\n  api: {build: .}\n  web: {build: ., environment: {API: http://api:8000/v1}}\n"
    )
    assert proposed(tmp_path, plugins, compose_yml=text).services["api"].port == 8000


def test_images_are_released_where_nothing_is_built(tmp_path: Path, plugins: Any) -> None:
    text = """\
services:
  web: {image: "ghcr.io/acme/web:${TAG}", expose: [80]}
  db: {image: postgis/postgres}
  disk: {image: acme/disk, volumes: [d:/d]}
  memcached: {image: memcached}
"""
    production = proposed(tmp_path, plugins, compose_yml=text)
    assert list(production.services) == ["web"]
    assert production.env_files == (".env",)


def test_an_address_whose_password_is_a_variable(tmp_path: Path, plugins: Any) -> None:
    text = """\
services:
  web: {build: ., environment: {URL: "postgresql://app:${PASSWORD}@db/app"}}
  db: {image: postgres}
"""
    database = proposed(tmp_path, plugins, compose_yml=text, **{".env": "PASSWORD=x\n"}).database
    assert database
    assert database.postgres == "postgresql://app:${PASSWORD}@db/app"


def test_many_services_fit(tmp_path: Path, plugins: Any) -> None:
    names = [f"service-{number}" for number in range(30)]
    text = "services:\n" + "".join(f"  {name}: {{build: .}}\n" for name in names)
    assert list(proposed(tmp_path, plugins, compose_yml=text).services) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services:\n  web: [\n", r"^compose\.yml:3:1: "),
        ("services: [web]\n", r"^compose\.yml: `services` is not a mapping$"),
        ("- web\n", r"^compose\.yml:1:1: not a mapping with `services`$"),
        ("a: \x00\n", r"^compose\.yml: "),
    ],
)
def test_a_broken_file_says_why(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(text)
    with pytest.raises(BadConfiguration, match=said) as caught:
        propose(tmp_path)
    assert "docker compose config" in caught.value.next_step


def test_a_file_with_nothing_to_release_leaves_the_local_engine(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: {db: {image: postgres}}\n")
    (tmp_path / "Procfile").write_text("web: serve\n")
    text = propose(tmp_path)
    assert "engine: local" in text
    assert "# Found, not used yet: compose.yml." in text


def test_tags_of_compose_are_read(tmp_path: Path, plugins: Any) -> None:
    text = "services:\n  web: {build: ., ports: !override ['80:8000'], expose: !reset null}\n"
    assert proposed(tmp_path, plugins, compose_yml=text).services["web"].port == 8000

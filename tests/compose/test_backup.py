"""Copies that a person asks for and a cleanup, on the portal in containers with PostgreSQL."""

from __future__ import annotations

import json
import re

import httpx

from .engine import docker
from .released import Ended, Released


def expect(code: int, ended: Ended) -> str:
    assert ended.code == code, ended.output
    return ended.output


def sql(portal: Released, statement: str) -> str:
    """What a client inside the container gets."""
    words = ("psql", "-U", "portal", "-d", "portal", "-Atc", statement)
    return portal.site.compose("exec", "-T", "postgres", *words)


def test_a_backup_is_verified_and_put_back_while_postgresql_stays_up(portal: Released) -> None:
    made = expect(0, portal.run("backup", "create", "production", "--name", "monday"))
    assert re.search(r"monday: \d+\.\d MB, \d+ rows in \d+ tables, read back whole", made)
    listed = json.loads(portal.run("backup", "list", "production", "--json").output)["copies"]
    newest = listed[0]
    assert (newest["name"], newest["releases"]) == ("monday", [live(portal)])
    assert "monday is whole" in expect(0, portal.run("backup", "verify", "monday", "production"))

    before = portal.containers()["postgres-1"]["Id"], portal.instances()
    sql(portal, "UPDATE customers SET name = 'Nobody'")
    said = expect(7, portal.run("backup", "restore", "monday", "production"))
    assert "gonogo backup restore monday production --confirm monday" in said
    confirmed = ("--confirm", "monday", "--no-wait")
    expect(0, portal.run("backup", "restore", "monday", "production", *confirmed))
    assert sql(portal, "SELECT count(*) FROM customers WHERE name = 'Nobody'") == "0"
    assert (portal.containers()["postgres-1"]["Id"], portal.instances()) == before
    assert httpx.get(f"{portal.backend}/version").json()["version"] == live(portal)


def test_a_cleanup_removes_images_and_keeps_the_way_back(portal: Released) -> None:
    first = live(portal)
    traffic = portal.traffic(20)
    try:
        for ref in ("v2", "v1"):
            portal.release(ref)
            expect(0, portal.run("update", "production", "--no-wait"))
    finally:
        traffic.kill()
    path = portal.portal / "gonogo.yml"
    path.write_text(
        path.read_text().replace("engine: compose", "keep_releases: 1\n    engine: compose")
    )
    shown = expect(7, portal.run("cleanup", "production"))
    assert re.search(rf"release {re.escape(first)} +\d+\.\d [MG]B", shown)
    assert "0.1 MB" not in shown.partition(f"release {first}")[2].partition("\n")[0]
    assert first in tags(portal)
    expect(0, portal.run("cleanup", "production", "--yes"))
    assert first not in tags(portal)
    assert len(tags(portal)) == 2
    expect(0, portal.run("rollback", "production"))
    portal.git("checkout", "--quiet", "--", "gonogo.yml")


def live(portal: Released) -> str:
    return str(portal.status()["live"]["release"]).split()[0]


def tags(portal: Released) -> set[str]:
    """The releases that docker has images of."""
    images = docker("images", "--format", "{{.Tag}}", f"{portal.project}-backend")
    return set(images.split())

"""A team keeps journal and durable state in PostgreSQL: all works, and nothing is local."""

from __future__ import annotations

from collections.abc import Callable

from .site import Site

Build = Callable[..., Site]


def test_releases_are_recorded_in_postgresql(build: Build, postgres_database: str) -> None:
    site = build(worker=False, environment={"GONOGO_DATABASE": postgres_database})
    site.run("deploy")
    number = site.release()
    updated = site.run("update", "--json").json()
    assert updated["outcome"] == "ok"
    assert site.serving() == number

    runs = site.run("runs", "--json").json()
    assert [run["procedure"] for run in runs] == ["update", "deploy"]
    shown = site.run("show", updated["run"], "--json").output
    assert updated["run"] in shown
    assert site.run("journal", "verify").output
    site.run("rollback")
    assert site.serving() == number - 1
    assert list(site.data.rglob("*.db")) == []
    assert _schemas(postgres_database) == {
        "gonogo_shop_development",
        "gonogo_shop_development_dbos",
    }


def _schemas(url: str) -> set[str]:
    import psycopg

    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'gonogo%'"
        ).fetchall()
    return {name for (name,) in rows}

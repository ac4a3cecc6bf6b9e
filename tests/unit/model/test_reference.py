"""Which variables an environment refers to, and who has to give them."""

from __future__ import annotations

from gonogo.model.configuration import Build, Database, Environment, Migrations, Service, Shell
from gonogo.model.reference import needed, references


def test_references_are_found_anywhere() -> None:
    assert references({"${A}": ["x${B}", {"y": ("${C}",)}], "n": 1}) == {"A", "B", "C"}


def test_whatever_is_resolved_is_needed() -> None:
    environment = Environment(
        name="dev",
        url="https://${A}",
        environment={"SELF": "${SELF}", "OTHER": "x"},
        services={"web": Service(command=("serve", "${B}"), environment={"X": "${C}"})},
        build=Build(commands=(("make", "${D}"),)),
        database=Database(
            sqlite="${E}", migrations=Migrations(command=("${F}",), pending=("${G}",))
        ),
        variables={"V": {"equals": {"value": "${H}"}}},
        checks=(
            {"id": "x", "use": "http", "settings": {"json": {"p": ["${I}"]}}},
            {"id": "y", "use": "command", "settings": {"run": ["${J}"], "expect": ["${K}"]}},
        ),
    )
    assert needed(environment) == {"SELF", *"ABCDEFGHIJK"}


def test_what_the_engine_the_environment_or_the_shell_gives_is_not_needed() -> None:
    own = Shell(shell="for X in a b; do echo ${X}; done")
    environment = Environment(
        name="dev",
        environment={"MODE": "fast"},
        services={
            "web": Service(
                command=("serve", "${HOST}:${PORT}", "${MODE}"), environment={"U": "${PORT}"}
            ),
            "worker": Service(command=own),
        },
        build=Build(commands=(own, ("make", "${MODE}"))),
        database=Database(sqlite="a.db", migrations=Migrations(command=own)),
        checks=({"id": "y", "use": "command", "settings": {"run": {"shell": "echo ${X}"}}},),
    )
    assert needed(environment) == set()

"""Writes the generated part of docs/reference: command line, configuration, procedures.

`python docs/make_reference.py` writes the files; tests/unit/docs compares them with what this
gives, so that a file that was not made again fails the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

REFERENCE = Path(__file__).resolve().parent / "reference"
WIDTH = 96
KINDS = ("check", "do", "sign-off", "watch", "notify")


def generated() -> dict[str, str]:
    """Each generated file's path below docs/reference, and its text."""
    return {
        "command-line.md": command_line(),
        "configuration.md": configuration(),
        "procedures.md": procedures(),
        "gonogo.schema.json": json_schema(),
    }


def json_schema() -> str:
    """The schema of gonogo.yml with the settings of every plug-in."""
    from gonogo.config.schema import published_schema
    from gonogo.wiring import settings_types

    return published_schema(settings_types())


def configuration() -> str:
    """Every key, from the commented sample that is also read by a test."""
    sample = (files("gonogo.config") / "sample.yml").read_text()
    return f"""# gonogo.yml

Made by `python docs/make_reference.py` from `src/gonogo/config/sample.yml`, which the tests
read as any other file. Only `app` is required, and for the local engine a `command` for each
service. An unknown or misspelt key, a wrong kind of value or a check that does not exist is
refused with file, line and column.

Texts may hold references: `${{NAME}}` is a variable of the process or of an env file; `$url`,
`$release`, `$environment` and `$project` are facts of the run. They are resolved where a
command runs or a request is sent, so that no secret gets into a plan or the record. The check
[variables](checks/variables.md) tells of one without a value, with its place. A duration is a
number with `ms`, `s`, `m`, `h` or `d`.

For completion in an editor, the same as JSON Schema: [gonogo.schema.json](gonogo.schema.json).
What stands under a check's name: [checks](checks/); under `with` of an action:
[actions](actions.md); [sources](sources.md), [engines](kits.md), [conditions](conditions.md).

```yaml
{sample.rstrip()}
```
"""


def commands() -> Iterator[Any]:
    """The context of every command, groups before what is in them."""
    import typer

    from gonogo.cli.main import app

    def inside(word: str, command: Any, parent: Any) -> Iterator[Any]:
        context = command.context_class(
            command, info_name=word, parent=parent, **command.context_settings
        )
        yield context
        for name, inner in getattr(command, "commands", {}).items():
            yield from inside(name, inner, context)

    yield from inside("gonogo", typer.main.get_command(app), None)


def command_line() -> str:
    """The `--help` of every command."""
    parts = [
        "# Command line\n",
        "Made by `python docs/make_reference.py` from the commands themselves.\n",
        "ENVIRONMENT may be left out when there is only one, or when one is called `development`. "
        "Exit codes: [exit-codes.md](exit-codes.md).\n",
    ]
    for context in commands():
        parts += [f"## {context.command_path}\n", f"```\n{help_text(context)}\n```\n"]
    return "\n".join(parts)


def help_text(context: Any) -> str:
    """The help of one command, at a fixed width and without colour."""
    import contextlib
    import io

    from typer import rich_utils

    names = ("MAX_WIDTH", "COLOR_SYSTEM", "FORCE_TERMINAL")
    kept = {name: getattr(rich_utils, name) for name in names}
    for name, value in zip(names, (WIDTH, None, False), strict=True):
        setattr(rich_utils, name, value)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            returned = context.command.get_help(context)
    finally:
        for name, value in kept.items():
            setattr(rich_utils, name, value)
    text = printed.getvalue() or str(returned)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def procedures() -> str:
    """The procedures that ship with the program, from their files."""
    from gonogo.config.procedures import shipped

    parts = [
        "# Procedures\n",
        "Made by `python docs/make_reference.py` from `src/gonogo/procedures`. A step about a "
        "service (such as `launch`) becomes one step for each service. How to change one: "
        "[customise a procedure](../how-to/customise-a-procedure.md).\n",
        "**lock**: `hold` changes the environment, `reserve` keeps others out while looking, "
        "`none` only looks. **undo** is what takes the step back, in reverse order, when a later "
        "one fails.\n",
    ]
    for name in shipped():
        text = (files("gonogo.procedures") / f"{name}.yml").read_text()
        parts += _procedure(yaml.safe_load(text))
    return "\n".join(parts)


def _procedure(data: dict[str, Any]) -> Iterator[str]:
    yield f"## {data['procedure']}\n"
    yield f"{data['title']}.\n"
    yield "| phase | step | settings | undo |"
    yield "|---|---|---|---|"
    for phase in data["phases"]:
        yield f"| {_phase(phase)} | | | |"
        for step in phase["steps"]:
            yield f"| | {_step(step)} | {_settings(step)} | {_undo(step)} |"
    yield ""


def _phase(phase: dict[str, Any]) -> str:
    notes = [f"lock: {phase.get('hold', 'hold')}"]
    if "at" in phase:
        notes.append(f"at {phase['at']}")
    if "owner" in phase:
        notes.append(f"owner {phase['owner']}")
    if phase.get("parallel", 1) > 1:
        notes.append(f"{phase['parallel']} at a time")
    return f"**{phase['id']}** ({', '.join(notes)})"


def _step(step: dict[str, Any]) -> str:
    kind = next(kind for kind in KINDS if kind in step)
    name = f"{kind} {_link(kind, step[kind])}"
    return f"{name} as `{step['id']}`" if "id" in step else name


def _link(kind: str, use: str) -> str:
    """To the page of what is used; `before` and `after` are the team's own checks."""
    module = use.replace("-", "_")
    if kind == "do":
        return f"[{use}](actions/{module}.md)"
    if kind == "check" and use in ("before", "after"):
        return f"*the team's own, {use}*"
    return f"[{use}](checks/{module}.md)" if kind == "check" else use


def _settings(step: dict[str, Any]) -> str:
    said = [f"{key}: {value}" for key, value in step.get("with", {}).items()]
    said += [f"{key}: {step[key]}" for key in ("timeout", "retries", "severity") if key in step]
    if "when" in step:
        said.append(f"only when `{step['when']}`")
    return ", ".join(said)


def _undo(step: dict[str, Any]) -> str:
    undo = step.get("undo")
    if not undo:
        return ""
    if isinstance(undo, str):
        return undo
    more = ", ".join(f"{key}: {value}" for key, value in undo.get("with", {}).items())
    return f"{undo['do']} {more}".strip()


def main() -> None:
    """Write every generated file."""
    for name, text in generated().items():
        (REFERENCE / name).write_text(text)
        print(f"wrote docs/reference/{name}")


if __name__ == "__main__":
    main()

"""`gonogo.yml` into a Configuration, or all that is wrong with it at once.

Values are read against shapes made from the dataclasses (see shape.py for why there is no schema
validator in between); rules.py adds what types cannot say; files that it names are looked for last.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from gonogo.config.document import Node, read
from gonogo.config.find import FILE, default_environment
from gonogo.config.normalise import Plugins
from gonogo.config.report import BAD, Report
from gonogo.config.rules import file_shapes
from gonogo.model.configuration import Configuration
from gonogo.model.errors import BadConfiguration

__all__ = ["FILE", "check", "load", "settings"]

S = TypeVar("S")


def load(path: Path, plugins: Plugins, *, environment: str | None = None) -> Configuration:
    """The checked configuration. BadConfiguration with every problem, `file:line:column: ...`.

    plugins maps a kind (`checks`, `actions`, `engines`, `sources`) to names to settings types;
    only the types of names that are used are asked for. Only the env files of the environment that
    is named, or meant, must be there: a laptop need not hold those of production.
    """
    root = read(path)
    report = Report(str(path))
    configuration = check(root, plugins, report)
    _env_files(root, path.parent, environment, report)
    report.finish()
    return cast(Configuration, configuration)


def check(root: Node, plugins: Plugins, report: Report) -> Configuration | None:
    """The configuration in a document without looking at other files. Problems go to the report."""
    whole = file_shapes(plugins).record(Configuration).read(root, "", report)
    return None if whole is BAD else cast(Configuration, whole)


def settings(
    type_: type[S], data: Mapping[str, Any], where: str, plugins: Plugins | None = None
) -> S:
    """Settings from plain values, read by the same shapes. BadConfiguration names `where`."""
    report = Report(where)
    value = file_shapes(plugins or {}).record(type_).read(_node(data), "", report)
    if report.problems:
        raise BadConfiguration([f"{where}: {message}" for _, message in report.problems])
    return cast(S, value)


def _node(value: Any) -> Node:
    """A node without a place, for values that come from no file."""
    if isinstance(value, Mapping):
        inner = {key: _node(one) for key, one in value.items()}
        return Node(inner, (0, 0), dict.fromkeys(value, (0, 0)))
    if isinstance(value, list | tuple):
        return Node([_node(one) for one in value], (0, 0))
    return Node(value, (0, 0))


def _env_files(root: Node, folder: Path, environment: str | None, report: Report) -> None:
    if not isinstance(root.value, dict) or not isinstance(root.value.get("environments"), Node):
        return
    environments = root.at("environments").value
    if not isinstance(environments, dict):
        return
    meant = environment or default_environment(environments)
    for name, node in environments.items():
        if meant not in (None, name) or not isinstance(node.value, dict):
            continue
        listed = node.value.get("env_files")
        for file in listed.value if listed is not None and isinstance(listed.value, list) else ():
            if isinstance(file.value, str) and not _is_file(folder, file.value):
                report.add(file.place, f"there is no env file {file.value}{_example(folder)}")


def _is_file(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_file()
    except (OSError, ValueError):
        return False


def _example(folder: Path) -> str:
    return "; .env.example shows what it holds" if _is_file(folder, ".env.example") else ""
